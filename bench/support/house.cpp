// SPDX-License-Identifier: Apache-2.0
#include "support/house.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

#include "base/ids.h"
#include "support/figures.h"

extern char** environ;

namespace agentos::bench {
namespace fs = std::filesystem;

std::string benchDirectory() {
  const char* named = std::getenv("AGENTOS_BENCH_DIR");
  return named != nullptr ? named : "/var/tmp";
}

pid_t start(const std::vector<std::string>& words, const std::string& outputTo) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));  // NOLINT: posix_spawn's signature
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (!outputTo.empty()) {
    posix_spawn_file_actions_addopen(&actions, 1, outputTo.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
  }
  pid_t pid = 0;
  int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) stop("cannot start " + words[0] + ": " + std::strerror(failed));
  return pid;
}

int waitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string readWhole(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<pid_t> childrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
    std::istringstream text(readWhole(task.path().string() + "/children"));
    for (pid_t child = 0; text >> child;) children.push_back(child);
  }
  return children;
}

Connection::Connection(const std::string& socket) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) stop("the path of the socket is too long: " + socket);
  std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
  if (::connect(fd_.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) != 0)
    fd_.reset();
}

bool Connection::receive() {
  char bytes[65536];
  ssize_t got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (got > 0) buffer_.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

Connection::Answer Connection::ask(const std::string& method, const std::string& target, const std::string& body) {
  if (!fd_) return {};
  std::string request = method + " " + target +
                        " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body;
  if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return {};
  while (buffer_.find("\r\n\r\n") == std::string::npos) {
    if (!receive()) return {};
  }
  Answer answer{std::atoi(buffer_.c_str() + 9), {}};
  std::size_t head = buffer_.find("\r\n\r\n") + 4, length = 0;
  if (auto at = buffer_.find("Content-Length: "); at < head) length = std::stoul(buffer_.substr(at + 16));
  while (buffer_.size() < head + length) {
    if (!receive()) return {};
  }
  answer.body = buffer_.substr(head, length);
  buffer_.erase(0, head + length);
  return answer;
}

Json Connection::call(const std::string& method, const std::string& target, const std::string& body) {
  Answer answer = ask(method, target, body);
  if (answer.status < 200 || answer.status > 299)
    stop(method + " " + target + ": " + std::to_string(answer.status) + " " + answer.body);
  return Json::parse(answer.body, nullptr, false);
}

House* House::standing_ = nullptr;

House::House(std::string bin, const std::vector<std::string>& mounts, Begin begin)
    : bin_(std::move(bin)), prefix_(benchDirectory() + "/agentd-bench-" + randomToken(6)) {
  if (::geteuid() != 0) stop("needs root");
  fs::create_directories(prefix_ + "/etc/agentd");
  fs::create_directories(prefix_ + "/etc/agents");
  // A tmpfs, as /run is on every system: sockets are no matter of the disk.
  fs::create_directories(prefix_ + "/run");
  if (::mount("agentd-bench", (prefix_ + "/run").c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
    stop("cannot mount a tmpfs on " + prefix_ + "/run");
  fs::permissions(prefix_, fs::perms(0755));
  standing_ = this;
  std::atexit([] {
    if (standing_ != nullptr) standing_->tearDown();
  });
  std::string list;
  for (const auto& mount : mounts) list += (list.empty() ? "\"" : ", \"") + mount + "\"";
  std::ofstream(prefix_ + "/etc/agentd/agentd.yaml")
      << "stop: { grace: 500ms }\nlog: { level: warn }\n"
      << "policy: { allow_unlimited_without_controllers: true, mounts: [" << list << "] }\n";
  if (waitFor(bench::start({bin_ + "/agentctl", "company", "init", company(), "--user", "nobody"},
                           prefix_ + "/init.log")) != 0) {
    stop("company init: " + readWhole(prefix_ + "/init.log"));
  }
  if (begin == Begin::kPrepared) return;
  start();
  waitUntilReady();
}

void House::start() {
  launcher_ = bench::start({bin_ + "/agentd", "--prefix", prefix_, "--company", company(), "--user", "nobody"},
                           prefix_ + "/agentd.log");
}

void House::end() {
  if (launcher_ <= 0) return;
  ::kill(launcher_, SIGTERM);
  waitFor(launcher_);
  launcher_ = -1;
}

void House::waitUntilReady() {
  for (int tries = 0; tries < 400; ++tries) {
    Connection connection(socket());
    if (connection.ask("GET", "/readyz").status == 200) {
      cgroupRoot_ = connection.call("GET", "/v1/system").value("cgroup_root", "");
      return;
    }
    ::usleep(50'000);
  }
  stop("agentd is not ready: " + readWhole(prefix_ + "/agentd.log"));
}

House::~House() { tearDown(); }

void House::tearDown() {
  if (std::exchange(standing_, nullptr) == nullptr) return;
  end();
  if (!cgroupRoot_.empty() && fs::exists(cgroupRoot_))
    waitFor(bench::start({bin_ + "/agentd-keeper", "--remove", "--root", cgroupRoot_}));
  ::umount2((prefix_ + "/run").c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(prefix_, ignored);
}

}  // namespace agentos::bench
