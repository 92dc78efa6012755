// SPDX-License-Identifier: Apache-2.0
// The life of an instance as an explicit automaton: pure, and every pair of state and event is tested.
//
//   pending ─► starting ─► running ◄─► paused
//                 │           │  └──────┤
//                 │           ▼         ▼
//                 ├──────► stopping ─► exited     (an exit record)
//                 └──────────┴───────► lost       (agent-init died without one)
//   pending, starting ─► refused                  (admission, policy or the spawner said no)
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace agentos::agentd {

enum class State : std::uint8_t { kPending, kStarting, kRunning, kPaused, kStopping, kExited, kLost, kRefused };

enum class Event : std::uint8_t {
  kAdmitted,  // admission said yes
  kRefused,   // admission, policy or spawner said no
  kSpawned,   // the room stands, the payload is executing
  kPause,     // somebody asked
  kResume,
  kStop,       // end gently: signal, grace, kill
  kKill,       // end at once
  kGraceOver,  // the grace after a stop ran out
  kTimeout,    // run.timeout
  kEnded,      // agent-init ended and left an exit record
  kVanished,   // agent-init ended and left none
};

enum class Effect : std::uint8_t {
  kSpawnRoom,
  kFreeze,
  kThaw,
  kSignalStop,  // the contract's stop signal
  kStartGrace,  // start the timer that gives kGraceOver
  kKillAll,     // cgroup.kill on pay/
  kSettle,      // ledger, task, audit: the run is over
  kSweep,       // groups and listeners are removed
  kNotify,      // wake whoever waits
};

struct Transition {
  State to;
  std::vector<Effect> effects;  // in order
  bool operator==(const Transition&) const = default;
};

// Empty: the event has no meaning in that state (the caller gets kConflict, or it came late and is dropped).
std::optional<Transition> transition(State state, Event event);

std::string_view nameOf(State state);  // "running"
std::string_view nameOf(Event event);
bool isLive(State state);  // starting, running, paused, stopping

}  // namespace agentos::agentd
