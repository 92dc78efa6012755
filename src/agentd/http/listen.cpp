// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace agentos::agentd {
namespace {

constexpr int kBacklog = 512;

Result<sockaddr_un> unixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "the socket path " + path + " is too long",
                "at most " + std::to_string(sizeof address.sun_path - 1) + " bytes: choose a shorter --prefix");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

template <class Address>
const sockaddr* generic(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// Somebody answers at this socket.
bool isLive(const sockaddr_un& address) {
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN;
}

Result<void> clearStale(const std::string& path, const sockaddr_un& address) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) != 0) return {};
  if (!S_ISSOCK(there.st_mode)) return fail(ErrorCode::kExists, path + " is there and is no socket", "move it away");
  if (isLive(address)) return fail(ErrorCode::kAlreadyRunning, "somebody listens on " + path, "stop that agentd first");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failErrno(errno, "cannot remove the stale socket " + path);
  return {};
}

}  // namespace

Result<Fd> listenUnix(const std::string& path, mode_t mode) {
  AGENTOS_TRY(auto address, unixAddress(path));
  AGENTOS_CHECK(clearStale(path, address));
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return failErrno(errno, "cannot make a socket");
  // Nobody can connect before listen(2), so the mode is in force in time.
  if (::bind(listener.get(), generic(address), sizeof address) != 0) {
    return failErrno(errno, "cannot bind " + path, "its directory must be there and writable");
  }
  if (::chmod(path.c_str(), mode) != 0) return failErrno(errno, "cannot set the mode of " + path);
  if (::listen(listener.get(), kBacklog) != 0) return failErrno(errno, "cannot listen on " + path);
  return listener;
}

Result<Fd> listenTcp(const std::string& address) {
  auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  std::uint16_t port = 0;
  std::string number = colon == std::string::npos ? "" : address.substr(colon + 1);
  auto parsed = std::from_chars(number.data(), number.data() + number.size(), port);
  if (parsed.ec != std::errc{} || parsed.ptr != number.data() + number.size() || number.empty() ||
      (host != "127.0.0.1" && host != "[::1]")) {
    return fail(ErrorCode::kInvalidArgument, "cannot listen on \"" + address + "\"",
                "give 127.0.0.1:PORT or [::1]:PORT: the API is never served beyond this machine");
  }
  sockaddr_in inet{};
  inet.sin_family = AF_INET;
  inet.sin_port = htons(port);
  inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 inet6{};
  inet6.sin6_family = AF_INET6;
  inet6.sin6_port = htons(port);
  inet6.sin6_addr = in6addr_loopback;
  bool four = host == "127.0.0.1";
  Fd listener(::socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int bound =
      four ? ::bind(listener.get(), generic(inet), sizeof inet) : ::bind(listener.get(), generic(inet6), sizeof inet6);
  if (bound != 0 || ::listen(listener.get(), kBacklog) != 0) return failErrno(errno, "cannot listen on " + address);
  return listener;
}

}  // namespace agentos::agentd
