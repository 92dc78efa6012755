// SPDX-License-Identifier: Apache-2.0
// The system calls that an agent may make. An allow list: everything not named in seccomp_list.cpp answers ENOSYS, as
// an older kernel would, so that programs take their fall-back; what must be seen as forbidden answers EPERM. Calls of
// another architecture (i386, x32 on x86-64) end the process. The walls themselves are namespaces, mounts and missing
// capabilities: the filter takes away the kernel's rarely walked code behind them.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

struct SeccompGroup {
  std::string_view purpose;
  std::span<const std::string_view> calls;
};
// The list as it is, for the compiler, the tests and the documents.
std::span<const SeccompGroup> allowedCalls();
// Allowed only in rooms whose contract grants nested user namespaces.
std::span<const std::string_view> namespaceCalls();
// Refused in rooms whose scheduling is held.
std::span<const std::string_view> schedulingCalls();
// Answered with EPERM.
std::span<const std::string_view> forbiddenCalls();

// The BPF program (struct sock_filter[]) for agent-init, in a sealed memfd. Takes some milliseconds: compiled once.
//   clone           without namespace flags (with nestedUserns: any); clone3 is ENOSYS, since its flags lie in memory
//                   that a filter cannot read, and glibc then uses clone
//   socket          unix; inet and inet6 with TCP or UDP; netlink for routes (getaddrinfo and getifaddrs ask it)
//   mknod(at)       FIFOs, sockets and plain files
//   modes           without set-user-id and set-group-id, wherever a call names one (chmod, open with O_CREAT, creat,
//                   mknod: EPERM); openat2 is ENOSYS, since its mode cannot be read either
//   personality     asking, and the ordinary one
//   scheduling      with heldScheduling (classes HRT and DT) sched_setscheduler and sched_setparam are EPERM:
//                   a thread may leave its policy for an ordinary one without any right, and is not to.
//                   sched_setattr is ENOSYS in every room
Result<Fd> compileSeccomp(bool nestedUserns, bool heldScheduling = false);

}  // namespace agentos::sandbox
