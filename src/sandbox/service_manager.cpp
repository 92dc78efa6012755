// SPDX-License-Identifier: Apache-2.0
#include "sandbox/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace agentos::sandbox {
namespace {

constexpr int kFirstPassed = 3;  // SD_LISTEN_FDS_START
constexpr int kMostPassed = 64;

// Called while the program has one thread.
// NOLINTBEGIN(concurrency-mt-unsafe)
std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : value;
}

void forgetVariables() {
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
}
// NOLINTEND(concurrency-mt-unsafe)

std::optional<int> numberOf(const std::string& text) {
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<std::vector<PassedSocket>> takePassedSockets() {
  const std::string pid = variable("LISTEN_PID"), count = variable("LISTEN_FDS"), names = variable("LISTEN_FDNAMES");
  forgetVariables();
  std::vector<PassedSocket> sockets;
  if (pid.empty() || count.empty() || numberOf(pid) != ::getpid()) return sockets;  // somebody else's
  const auto passed = numberOf(count);
  if (!passed || *passed < 0 || *passed > kMostPassed) {
    return fail(ErrorCode::kInvalidArgument, "LISTEN_FDS is \"" + count + "\"",
                "a number of sockets up to " + std::to_string(kMostPassed));
  }
  const auto words = split(names, ':');
  for (int i = 0; i < *passed; ++i) {
    const int fd = kFirstPassed + i;
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return failErrno(errno, "LISTEN_FDS names descriptor " + std::to_string(fd), "sockets from 3 on, all open",
                       ErrorCode::kInvalidArgument);
    }
    const auto at = static_cast<std::size_t>(i);
    sockets.push_back({at < words.size() ? std::string(words[at]) : std::string(), Fd(fd)});
  }
  return sockets;
}

Result<Fd> takePassedSocket(std::string_view name) {
  AGENTOS_TRY(auto sockets, takePassedSockets());
  for (auto& one : sockets) {
    if (one.name == name || sockets.size() == 1) return std::move(one.fd);
  }
  if (sockets.empty()) return Fd();
  return fail(ErrorCode::kInvalidArgument, "none of the passed sockets is named \"" + std::string(name) + "\"",
              "FileDescriptorName=" + std::string(name) + " in the socket unit");
}

bool notifyManager(std::string_view state) {
  const std::string path = variable("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // an abstract one
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const auto* where = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  // A manager that does not read must not stop who speaks to it: a beat is dropped, another word waits a moment.
  const timeval moment{0, 500'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
  const int flags = MSG_NOSIGNAL | (state == "WATCHDOG=1" ? MSG_DONTWAIT : 0);
  const auto sent = ::sendto(socket.get(), state.data(), state.size(), flags, where, size);
  return sent == static_cast<ssize_t>(state.size());
}

}  // namespace agentos::sandbox
