// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <cerrno>

#include "agentd/http/message.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace agentos::agentd::http {
namespace {

// socket(7): asked with too small a buffer, the kernel says ERANGE and the size that is needed.
std::vector<gid_t> groupsOf(int socket) {
  std::vector<gid_t> groups(32);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    int answer = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (answer != 0 && errno != ERANGE) return {};
    groups.resize(size / sizeof(gid_t));
    if (answer == 0) return groups;
  }
  return {};
}

}  // namespace

Peer peerOf(int socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) return {};
  ucred who{};
  size = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return {};
  return {.known = true, .pid = who.pid, .uid = who.uid, .gid = who.gid, .groups = groupsOf(socket)};
}

}  // namespace agentos::agentd::http
