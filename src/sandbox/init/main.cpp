// SPDX-License-Identifier: Apache-2.0
// agent-init: PID 1 of a room (init_protocol.h says what it is given). Static, since its program is not in the room;
// and one for every agent of the machine, so that its own memory counts: no library but libstdc++ and libc.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "sandbox/init/supervisor.h"

namespace {

using namespace agentos;
using namespace agentos::sandbox;

Result<InitPlan> readPlan() {
  struct stat status{};
  if (fstat(kInitPlanFd, &status) != 0) return failErrno(errno, "the plan, descriptor 3");
  if (status.st_size < 0 || static_cast<std::size_t>(status.st_size) > kMaxInitPlan) {
    return fail(ErrorCode::kTooLarge, "a plan of " + std::to_string(status.st_size) + " bytes", "at most 1 MiB");
  }
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  if (pread(kInitPlanFd, bytes.data(), bytes.size(), 0) != status.st_size) return failErrno(errno, "reading the plan");
  return decodeInitPlan(bytes);
}

}  // namespace

int main() {
  // At the end of a room it kills every process that it sees: outside a pid namespace of its own that is everybody.
  if (getpid() != 1) {
    constexpr std::string_view kWhy =
        "agent-init: started as an ordinary process; agentd-spawner starts it as PID 1 of a room\n";
    return write(STDERR_FILENO, kWhy.data(), kWhy.size()) < 0 ? 1 : 2;
  }
  prctl(PR_SET_NAME, "agent-init");
  // The spawner's child dies with the spawner; the room outlives it. Until the go, the sync socket tells of its end.
  prctl(PR_SET_PDEATHSIG, 0);
  // Nothing in the room may trace it or read its memory, whoever it manages to become.
  prctl(PR_SET_DUMPABLE, 0);
  auto plan = readPlan();
  if (!plan) {
    std::string message = std::string(1, kSyncFailed) + plan.error().message();
    send(kInitSyncFd, message.data(), message.size(), MSG_NOSIGNAL);
    return 1;
  }
  RoomSupervisor supervisor(*plan);
  return supervisor.run();
}
