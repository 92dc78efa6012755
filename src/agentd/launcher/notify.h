// SPDX-License-Identifier: Apache-2.0
// What the daemon tells a service manager, and what it asks of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "agentd/config/config.h"

namespace agentos::agentd {

// sd_notify(3), when NOTIFY_SOCKET is set.
void sayReady(const std::string& status);
void sayReloading();
// `patience`: how long the end may take, whatever the unit says.
void sayStopping(const std::string& status, std::chrono::microseconds patience);
void sayAlive();

// How often it wants to hear that we are alive: half of its patience (sd_watchdog_enabled(3)). Nothing: not at all.
std::optional<std::chrono::microseconds> watchdogInterval();

// Why systemd sends SIGTERM: by the job that it runs on our own unit.
enum class StopCause : std::uint8_t {
  kUnmanaged,  // nobody waits to be told of our states: no unit of Type=notify
  kStop,       // `systemctl stop`, the machine's shutdown, or another unit that takes this one along
  kRestart,    // `systemctl restart`, an upgrade: the next agentd is on its way
  kSignal,     // no job: somebody's kill(1), and Restart= will bring it back
  kUnknown,    // it could not be asked
};
// From the file that the unit's ExecStop= wrote as root, who needs no D-Bus to ask; else over D-Bus, two seconds at
// most.
StopCause askStopCause(const std::string& jobFile);
// "PID JOB UNIT TYPE STATE": the process that is being stopped, and a line of `systemctl list-jobs`. Nothing when it is
// about another process (an earlier stop, or nobody wrote it for this one) or has no job.
std::optional<StopCause> stopCauseFrom(std::string_view text, pid_t self);

// What becomes of the agents. Unless the unit is really stopped they are left to the next agentd; a manager that does
// not answer is no reason to end anybody's work.
StopAgents agentsAtStop(StopAgents configured, StopCause cause);
std::string describe(StopCause cause);

}  // namespace agentos::agentd
