// SPDX-License-Identifier: Apache-2.0
#include "sandbox/helper.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "base/files.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxSaid = 2000;

// In a copy of this process with one thread: calls that take no lock only.
[[noreturn]] void runAndReport(char* const* argv, char* const* env, int said) {
  sigset_t none;
  ::sigemptyset(&none);
  const pid_t pid = ::vfork();
  if (pid == 0) {
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (::dup2(null, 0) < 0 || ::dup2(said, 1) < 0 || ::dup2(said, 2) < 0) ::_exit(126);
    ::execve(argv[0], argv, env);
    ::_exit(127);
  }
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

}  // namespace

Result<void> runHelper(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C.UTF-8";
  char* const env[] = {path, language, nullptr};
  Fd said(::memfd_create("helper", MFD_CLOEXEC));
  if (!said) return failErrno(errno, "memfd_create", {}, ErrorCode::kSandboxSetup);
  // No signal at its end, and so no child that waitpid(-1) finds (__WCLONE); it never executes, which would give it
  // one.
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone, 0UL, nullptr, nullptr, nullptr, 0UL));
  if (pid == 0) runAndReport(argv.data(), env, said.get());
  if (pid < 0) return failErrno(errno, "starting " + words.front(), {}, ErrorCode::kSandboxSetup);
  int status = 0;
  while (::waitpid(pid, &status, static_cast<int>(__WCLONE)) < 0) {
    if (errno != EINTR) return failErrno(errno, "waiting for " + words.front(), {}, ErrorCode::kSandboxSetup);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  ::lseek(said.get(), 0, SEEK_SET);
  auto text = readAll(said.get(), std::size_t{1} << 20).value_or("");
  return fail(ErrorCode::kSandboxSetup, words.front() + " ended with " +
                                            std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1) + ": " +
                                            std::string(trim(std::string_view(text).substr(0, kMaxSaid))));
}

}  // namespace agentos::sandbox
