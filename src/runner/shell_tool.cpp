// SPDX-License-Identifier: Apache-2.0
// shell.exec: one command under /bin/sh, in a session of its own, with its output and its time bounded. What it leaves
// running is ended with it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "runner/tools.h"

namespace agentos::runner {
namespace {

using Moment = std::chrono::steady_clock::time_point;
constexpr auto kGrace = std::chrono::seconds(2);

// The head and the tail of an output that may be endless.
class Kept {
 public:
  explicit Kept(std::size_t most) : half_(most / 2) {}
  void add(std::string_view bytes) {
    total_ += bytes.size();
    const auto room = std::min(half_ - head_.size(), bytes.size());
    head_.append(bytes.substr(0, room));
    tail_.append(bytes.substr(room));
    if (tail_.size() > 2 * half_) tail_.erase(0, tail_.size() - half_);
  }
  std::string text() const {
    if (total_ <= head_.size() + half_) return head_ + tail_;
    return head_ + "\n[… " + std::to_string(total_ - head_.size() - half_) + " bytes cut …]\n" +
           tail_.substr(tail_.size() - half_);
  }

 private:
  std::size_t half_, total_ = 0;
  std::string head_, tail_;
};

struct Spawned {
  pid_t pid = -1;
  Fd output;
};

Result<Spawned> spawnShell(const std::string& command, const std::string& folder) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failErrno(errno, "a pipe for shell.exec");
  Fd read(ends[0]), write(ends[1]);
  fcntl(read.get(), F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, write.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, write.get(), 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  sigset_t defaults;
  sigfillset(&defaults);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  std::string shell = "/bin/sh", dashC = "-c", script = command;
  char* argv[] = {shell.data(), dashC.data(), script.data(), nullptr};
  Spawned spawned{-1, std::move(read)};
  const int error = posix_spawn(&spawned.pid, "/bin/sh", &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return failErrno(error, "starting /bin/sh in " + folder);
  return spawned;
}

// What is there now, up to a mebibyte, which is the most a pipe holds: a writer that never rests must not keep us from
// looking at the clock. A short read says nothing: a pipe gives page by page. False at the end of the output.
bool drain(int fd, Kept& kept) {
  char buffer[16384];
  for (std::size_t total = 0; total < (1U << 20);) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return false;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN;
    kept.add({buffer, static_cast<std::size_t>(got)});
    total += static_cast<std::size_t>(got);
  }
  return true;
}

struct Ended {
  int status = 0;
  bool timedOut = false, stopped = false;
};

Ended watch(const ToolContext& room, const Spawned& spawned, Kept& kept, Moment deadline) {
  Ended ended;
  bool open = true;
  Moment killAt = Moment::max();
  for (;;) {
    pollfd poller{spawned.output.get(), POLLIN, 0};
    if (open)
      poll(&poller, 1, 50);
    else
      usleep(20'000);
    open = open && drain(spawned.output.get(), kept);
    if (waitpid(spawned.pid, &ended.status, WNOHANG) == spawned.pid) break;
    const Moment now = std::chrono::steady_clock::now();
    room.gateway.beat();
    if (killAt == Moment::max() && (now >= deadline || room.gateway.stopping())) {
      ended.timedOut = now >= deadline;
      ended.stopped = !ended.timedOut;
      kill(-spawned.pid, SIGTERM);
      killAt = now + kGrace;
    }
    if (now >= killAt) kill(-spawned.pid, SIGKILL);
  }
  kill(-spawned.pid, SIGKILL);  // what it left behind in its session's group
  drain(spawned.output.get(), kept);
  return ended;
}

std::string headline(const Ended& ended, Nanoseconds limit) {
  if (ended.timedOut) return "timed out after " + formatDuration(limit) + " and was ended";
  if (ended.stopped) return "ended because this run is being stopped";
  if (WIFSIGNALED(ended.status)) return "ended by signal " + std::to_string(WTERMSIG(ended.status));
  return "exit " + std::to_string(WEXITSTATUS(ended.status));
}

Result<ToolAnswer> execTool(const ToolContext& room, const Json& arguments) {
  AGENTOS_TRY(const std::string command, stringArgument(arguments, "command"));
  AGENTOS_TRY(const std::string folder, stringArgument(arguments, "cwd", "."));
  const auto seconds = [](Nanoseconds time) { return std::chrono::duration_cast<std::chrono::seconds>(time).count(); };
  const auto most = std::max<std::int64_t>(1, seconds(room.settings.shellMost));
  AGENTOS_TRY(const std::int64_t limit,
              intArgument(arguments, "timeout_s",
                          std::clamp<std::int64_t>(seconds(room.settings.shellTimeout), 1, most), 1, most));
  if (command.find('\0') != std::string::npos)
    return fail(ErrorCode::kInvalidArgument, "the command holds a NUL byte", "leave it out");
  AGENTOS_TRY(const Place place, room.files.place(folder));
  AGENTOS_TRY(const Spawned spawned, spawnShell(command, place.shown));
  Kept kept(room.settings.maxResult.count);
  const Ended ended = watch(room, spawned, kept, std::chrono::steady_clock::now() + std::chrono::seconds(limit));
  return ToolAnswer{headline(ended, std::chrono::seconds(limit)) + "\n" + kept.text()};
}

}  // namespace

std::vector<Tool> shellTools() {
  return {{"shell.exec",
           "Run a command with /bin/sh in this room. Its output and exit status come back; what it leaves running is "
           "ended.",
           {{"type", "object"},
            {"properties",
             {{"command", {{"type", "string"}}},
              {"cwd", {{"type", "string"}, {"description", "folder to run it in"}}},
              {"timeout_s", {{"type", "integer"}, {"description", "seconds it may take"}}}}},
            {"required", Json::array({"command"})},
            {"additionalProperties", false}},
           execTool}};
}

}  // namespace agentos::runner
