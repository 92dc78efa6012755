// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/init_control.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "sandbox/init_protocol.h"

namespace agentos::agentd {
namespace {

void drainReplies(int fd) {
  char reply[sandbox::kMaxControlMessage];
  while (::recv(fd, reply, sizeof reply, MSG_DONTWAIT) > 0) {
  }
}

}  // namespace

Result<void> sendSignal(int controlFd, int signal) {
  drainReplies(controlFd);
  const std::string request =
      sandbox::encodeInitRequest({sandbox::InitRequestKind::kSignal, static_cast<std::uint32_t>(signal)});
  if (::send(controlFd, request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return failErrno(errno, "agent-init does not take the signal " + std::to_string(signal),
                     "kill the instance instead", ErrorCode::kUnreachable);
  }
  return {};
}

}  // namespace agentos::agentd
