// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace agentos {

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);  // EINTR leaves the descriptor closed on Linux: never repeated
  fd_ = fd;
}

Fd Fd::duplicate() const { return Fd(fd_ < 0 ? -1 : ::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

}  // namespace agentos
