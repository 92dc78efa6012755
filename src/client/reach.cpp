// SPDX-License-Identifier: Apache-2.0
#include "client/reach.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/fd.h"

namespace agentos::client {
namespace {

// 0, or why connecting fails.
int tryConnect(const std::string& path) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const void* place = &address;
  return ::connect(socket.get(), static_cast<const sockaddr*>(place), sizeof address) == 0 ? 0 : errno;
}

// The group of the socket, or of the nearest directory that can be looked at: who is in it may use the socket.
std::string groupOf(std::string path) {
  struct stat info{};
  while (::stat(path.c_str(), &info) != 0) {
    auto slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) return "agentd";
    path.resize(slash);
  }
  group entry{};
  group* found = nullptr;
  std::array<char, 4096> buffer{};
  bool named = ::getgrgid_r(info.st_gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return named && info.st_gid != 0 ? entry.gr_name : "agentd";
}

}  // namespace

Result<void> checkSocketPath(const std::string& path) {
  constexpr std::size_t kMax = sizeof(sockaddr_un::sun_path) - 1;
  if (!path.empty() && path.size() <= kMax) return {};
  return fail(ErrorCode::kInvalidArgument, "\"" + path + "\" has " + std::to_string(path.size()) + " bytes",
              "the path of a socket has 1 to " + std::to_string(kMax));
}

Error explainUnreachable(const std::string& path) {
  int error = tryConnect(path);
  if (error == EACCES || error == EPERM) {
    return {ErrorCode::kDenied,
            "you may not use the socket " + path,
            "members of the group '" + groupOf(path) + "' may: sudo usermod -aG " + groupOf(path) +
                " $USER, then log in again",
            0,
            {}};
  }
  std::string why = error == ENOENT ? "there is no socket " + path
                    : error == ECONNREFUSED
                        ? "nobody listens on " + path
                        : "connecting to " + path + " failed: " + std::generic_category().message(error);
  return {ErrorCode::kUnreachable,
          "agentd does not run here: " + why,
          "start it (systemctl start agentd, or agentd --prefix DIR --company DIR), or name its socket with --socket, "
          "--prefix or AGENTD_SOCKET",
          0,
          {}};
}

}  // namespace agentos::client
