// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/lifecycle.h"

#include <array>
#include <utility>

namespace agentos::agentd {
namespace {

using Effects = std::vector<Effect>;
using Step = std::optional<Transition>;

Step to(State state, Effects effects) { return Transition{state, std::move(effects)}; }

// However a live instance ends: the books first, so that whoever is woken finds them closed.
Step end(State state) { return to(state, {Effect::kSettle, Effect::kSweep, Effect::kNotify}); }

Step fromPending(Event event) {
  switch (event) {
    case Event::kAdmitted:
      return to(State::kStarting, {Effect::kSpawnRoom});
    case Event::kRefused:
      return to(State::kRefused, {Effect::kSettle, Effect::kNotify});
    default:
      return std::nullopt;
  }
}

// A stop that comes before the room stands is remembered, and performed when it does.
Step fromStarting(Event event) {
  switch (event) {
    case Event::kSpawned:
      return to(State::kRunning, {});
    case Event::kRefused:
      return end(State::kRefused);
    case Event::kStop:
    case Event::kKill:
      return to(State::kStopping, {});
    case Event::kEnded:
      return end(State::kExited);
    case Event::kVanished:
      return end(State::kLost);
    default:
      return std::nullopt;
  }
}

Step fromRunning(Event event) {
  switch (event) {
    case Event::kPause:
      return to(State::kPaused, {Effect::kFreeze});
    case Event::kStop:
    case Event::kTimeout:
      return to(State::kStopping, {Effect::kSignalStop, Effect::kStartGrace});
    case Event::kKill:
      return to(State::kStopping, {Effect::kKillAll});
    case Event::kEnded:
      return end(State::kExited);
    case Event::kVanished:
      return end(State::kLost);
    default:
      return std::nullopt;
  }
}

// run.timeout does not count while paused. A stop thaws first: a frozen process handles no signal; a kill needs no
// thaw.
Step fromPaused(Event event) {
  switch (event) {
    case Event::kResume:
      return to(State::kRunning, {Effect::kThaw});
    case Event::kStop:
      return to(State::kStopping, {Effect::kThaw, Effect::kSignalStop, Effect::kStartGrace});
    case Event::kKill:
      return to(State::kStopping, {Effect::kKillAll});
    case Event::kEnded:
      return end(State::kExited);
    case Event::kVanished:
      return end(State::kLost);
    default:
      return std::nullopt;
  }
}

Step fromStopping(Event event) {
  switch (event) {
    case Event::kSpawned:  // stopped while it started: it has done nothing yet that a signal could save
    case Event::kGraceOver:
    case Event::kKill:
      return to(State::kStopping, {Effect::kKillAll});
    case Event::kRefused:
      return end(State::kRefused);
    case Event::kEnded:
      return end(State::kExited);
    case Event::kVanished:
      return end(State::kLost);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Transition> transition(State state, Event event) {
  switch (state) {
    case State::kPending:
      return fromPending(event);
    case State::kStarting:
      return fromStarting(event);
    case State::kRunning:
      return fromRunning(event);
    case State::kPaused:
      return fromPaused(event);
    case State::kStopping:
      return fromStopping(event);
    case State::kExited:
    case State::kLost:
    case State::kRefused:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string_view nameOf(State state) {
  static constexpr std::array<std::string_view, 8> kNames = {"pending",  "starting", "running", "paused",
                                                             "stopping", "exited",   "lost",    "refused"};
  return kNames.at(std::to_underlying(state));
}

std::string_view nameOf(Event event) {
  static constexpr std::array<std::string_view, 11> kNames = {"admitted", "refused", "spawned", "pause",
                                                              "resume",   "stop",    "kill",    "grace-over",
                                                              "timeout",  "ended",   "vanished"};
  return kNames.at(std::to_underlying(event));
}

bool isLive(State state) {
  return state == State::kStarting || state == State::kRunning || state == State::kPaused || state == State::kStopping;
}

}  // namespace agentos::agentd
