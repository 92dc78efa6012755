// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/lifecycle.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace agentos::agentd {
namespace {

constexpr State kStates[] = {State::kPending,  State::kStarting, State::kRunning, State::kPaused,
                             State::kStopping, State::kExited,   State::kLost,    State::kRefused};
constexpr Event kEvents[] = {Event::kAdmitted, Event::kRefused, Event::kSpawned, Event::kPause,
                             Event::kResume,   Event::kStop,    Event::kKill,    Event::kGraceOver,
                             Event::kTimeout,  Event::kEnded,   Event::kVanished};

using Table = std::map<std::pair<State, Event>, Transition>;
const std::vector<Effect> kEnd = {Effect::kSettle, Effect::kSweep, Effect::kNotify};

// Every pair that means something; every pair that is not here means nothing.
const Table& table() {
  static const Table kTable = {
      {{State::kPending, Event::kAdmitted}, {State::kStarting, {Effect::kSpawnRoom}}},
      {{State::kPending, Event::kRefused}, {State::kRefused, {Effect::kSettle, Effect::kNotify}}},

      {{State::kStarting, Event::kSpawned}, {State::kRunning, {}}},
      {{State::kStarting, Event::kRefused}, {State::kRefused, kEnd}},
      {{State::kStarting, Event::kStop}, {State::kStopping, {}}},
      {{State::kStarting, Event::kKill}, {State::kStopping, {}}},
      {{State::kStarting, Event::kEnded}, {State::kExited, kEnd}},
      {{State::kStarting, Event::kVanished}, {State::kLost, kEnd}},

      {{State::kRunning, Event::kPause}, {State::kPaused, {Effect::kFreeze}}},
      {{State::kRunning, Event::kStop}, {State::kStopping, {Effect::kSignalStop, Effect::kStartGrace}}},
      {{State::kRunning, Event::kTimeout}, {State::kStopping, {Effect::kSignalStop, Effect::kStartGrace}}},
      {{State::kRunning, Event::kKill}, {State::kStopping, {Effect::kKillAll}}},
      {{State::kRunning, Event::kEnded}, {State::kExited, kEnd}},
      {{State::kRunning, Event::kVanished}, {State::kLost, kEnd}},

      {{State::kPaused, Event::kResume}, {State::kRunning, {Effect::kThaw}}},
      {{State::kPaused, Event::kStop}, {State::kStopping, {Effect::kThaw, Effect::kSignalStop, Effect::kStartGrace}}},
      {{State::kPaused, Event::kKill}, {State::kStopping, {Effect::kKillAll}}},
      {{State::kPaused, Event::kEnded}, {State::kExited, kEnd}},
      {{State::kPaused, Event::kVanished}, {State::kLost, kEnd}},

      {{State::kStopping, Event::kSpawned}, {State::kStopping, {Effect::kKillAll}}},
      {{State::kStopping, Event::kKill}, {State::kStopping, {Effect::kKillAll}}},
      {{State::kStopping, Event::kGraceOver}, {State::kStopping, {Effect::kKillAll}}},
      {{State::kStopping, Event::kRefused}, {State::kRefused, kEnd}},
      {{State::kStopping, Event::kEnded}, {State::kExited, kEnd}},
      {{State::kStopping, Event::kVanished}, {State::kLost, kEnd}},
  };
  return kTable;
}

TEST(Lifecycle, EveryPairOfStateAndEvent) {
  for (const State state : kStates) {
    for (const Event event : kEvents) {
      auto wanted = table().find({state, event});
      auto got = transition(state, event);
      const std::string pair = std::string(nameOf(state)) + " + " + std::string(nameOf(event));
      if (wanted == table().end()) {
        EXPECT_FALSE(got.has_value()) << pair << " must mean nothing";
      } else {
        ASSERT_TRUE(got.has_value()) << pair;
        EXPECT_EQ(*got, wanted->second) << pair;
      }
    }
  }
}

// Whatever happens, what is alive can be killed and can end, and what is over stays over.
TEST(Lifecycle, LiveStatesCanBeKilledAndEndAndFinalOnesNever) {
  for (const State state : kStates) {
    if (isLive(state)) {
      EXPECT_TRUE(transition(state, Event::kKill)) << nameOf(state);
      EXPECT_EQ(transition(state, Event::kEnded)->to, State::kExited);
      EXPECT_EQ(transition(state, Event::kVanished)->to, State::kLost);
    } else if (state != State::kPending) {
      for (const Event event : kEvents)
        EXPECT_FALSE(transition(state, event)) << nameOf(state) << " + " << nameOf(event);
    }
  }
}

TEST(Lifecycle, AStoppedAgentIsThawedBeforeItIsSignalled) {
  const auto effects = transition(State::kPaused, Event::kStop)->effects;
  ASSERT_GE(effects.size(), 2U);
  EXPECT_EQ(effects[0], Effect::kThaw);
  EXPECT_EQ(effects[1], Effect::kSignalStop);
}

TEST(Lifecycle, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (const State state : kStates) names.insert(nameOf(state));
  for (const Event event : kEvents) names.insert(std::string_view(nameOf(event)));
  // "refused" is both a state and an event.
  EXPECT_EQ(names.size(), std::size(kStates) + std::size(kEvents) - 1);
}

}  // namespace
}  // namespace agentos::agentd
