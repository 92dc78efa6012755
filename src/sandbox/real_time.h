// SPDX-License-Identifier: Apache-2.0
// SCHED_DEADLINE for a room's main thread (sched(7), docs.kernel.org/scheduler/sched-deadline), the class HRT. Root's:
// the call needs CAP_SYS_NICE. The reservation is the thread's alone: what it forks begins as an ordinary one
// (RESET_ON_FORK), and the room's filter lets nobody change it (seccomp.h). The kernel has the last word: it counts
// every reservation of the machine, ours and others', and what it refuses is a refused room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "sandbox/cgroup.h"
#include "sandbox/policy.h"

namespace agentos::sandbox {

// What this machine gives to real time, tried with a thread of our own: `cpus` 0 and `why` where it gives none.
// `keeper`: the group of all instances, whose processors they are (a cpuset partition's, where the operator made one).
RealTimeReport reportRealTime(const Policy& policy, int keeper);

// Of a thread; absent for one that has none, or is gone.
std::optional<Reservation> reservationOf(std::int32_t pid);
// kSandboxLimit-like refusal with the kernel's reason and what would help.
Result<void> reserve(std::int32_t pid, const Reservation& wanted);

// Before the payload's exec, while it waits at its gate: the one process of pay/ gets the plan's reservation, and may
// lock as much memory as it may have. Held against root's ceiling over all rooms first.
Result<void> giveRealTime(const Policy& policy, int keeper, const InstanceGroups& groups, const Reservation& wanted);

// How much memory an HRT room may lock; absent where the plan bounds no memory.
std::optional<std::uint64_t> lockedMemoryOf(const RoomPlan& plan);
// True: the limit holds for what `pid` executes from now on.
bool letLockMemory(std::int32_t pid, std::uint64_t bytes);

}  // namespace agentos::sandbox
