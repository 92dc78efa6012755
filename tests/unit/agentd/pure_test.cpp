// SPDX-License-Identifier: Apache-2.0
// The supervisor's judgements, without a supervisor.
#include <gtest/gtest.h>

#include "agentd/launcher/child.h"
#include "agentd/scheduler/due.h"
#include "agentd/supervisor/end_of_run.h"
#include "agentd/supervisor/policy.h"
#include "agentd/supervisor/restarts.h"

namespace agentos::agentd {
namespace {

using namespace std::chrono_literals;
using Word = Verdict::Word;

Instance ended(int code, contract::Verdict judge = contract::Verdict::kExit) {
  Instance instance;
  auto contract = std::make_shared<contract::Contract>();
  contract->run.verdict = judge;
  contract->run.mode = contract::RunMode::kService;
  instance.contract = contract;
  instance.view.state = State::kExited;
  instance.view.exit.emplace();
  instance.view.exit->code = code;
  return instance;
}

TEST(EndOfRun, ExitStatusZeroCompletesAnythingElseFails) {
  EXPECT_EQ(verdictOfEnd(ended(0)).word, Word::kComplete);
  EXPECT_EQ(verdictOfEnd(ended(0)).outcome, "success");
  EXPECT_EQ(verdictOfEnd(ended(1)).word, Word::kFail);
  EXPECT_NE(verdictOfEnd(ended(1)).reason.find("exit status 1"), std::string::npos);
}

TEST(EndOfRun, UnderReviewCompletionIsASubmission) {
  Instance instance = ended(0);
  auto contract = std::make_shared<contract::Contract>(*instance.contract);
  contract->review.required = true;
  instance.contract = contract;
  EXPECT_EQ(verdictOfEnd(instance).word, Word::kSubmit);
}

TEST(EndOfRun, ASignalIsNamedAndLackOfMemoryToo) {
  Instance instance = ended(0);
  instance.view.exit->code.reset();
  instance.view.exit->signal = 9;
  instance.view.exit->oomKills = 2;
  EXPECT_EQ(verdictOfEnd(instance).word, Word::kFail);
  EXPECT_NE(describeEnd(instance).find("signal 9 (Killed), 2 killed for lack of memory"), std::string::npos);
}

TEST(EndOfRun, WhereTheApiJudgesSilenceFails) {
  EXPECT_EQ(verdictOfEnd(ended(0, contract::Verdict::kApi)).word, Word::kFail);
}

TEST(EndOfRun, WhatIsNotTheAgentsDoingIsGivenBack) {
  for (const EndCause cause : {EndCause::kStopped, EndCause::kShutdown}) {
    Instance instance = ended(0);
    instance.cause = cause;
    EXPECT_EQ(verdictOfEnd(instance).word, Word::kRelease);
  }
  Instance lost = ended(0);
  lost.view.exit.reset();
  lost.view.state = State::kLost;
  EXPECT_EQ(verdictOfEnd(lost).word, Word::kRelease);
  EXPECT_NE(describeEnd(lost).find("lost"), std::string::npos);
}

TEST(EndOfRun, AKillAndATimeoutAreFailedAttempts) {
  for (const EndCause cause : {EndCause::kKilled, EndCause::kTimedOut}) {
    Instance instance = ended(0);
    instance.cause = cause;
    EXPECT_EQ(verdictOfEnd(instance).word, Word::kFail);
  }
}

TEST(Restarts, BackOffDoublesUpToItsMaximumAndGivesUp) {
  Instance instance = ended(1);
  const BootTime now(1h);
  std::vector<BootTime> earlier;
  std::vector<Nanoseconds> delays;
  while (true) {
    auto decision = decideRestart(*instance.contract, instance, earlier, now, 0.0);
    if (!decision.delay) {
      EXPECT_NE(decision.why.find("gave up after 5"), std::string::npos) << decision.why;
      break;
    }
    delays.push_back(*decision.delay);
    earlier.push_back(now);
  }
  EXPECT_EQ(delays, (std::vector<Nanoseconds>{1s, 2s, 4s, 8s, 16s}));
}

TEST(Restarts, OldRestartsAreForgotten) {
  Instance instance = ended(1);
  const std::vector<BootTime> earlier(5, BootTime(1h));
  EXPECT_TRUE(decideRestart(*instance.contract, instance, earlier, BootTime(1h + 6min), 0.0).delay);
}

TEST(Restarts, JitterTakesAtMostAQuarter) {
  Instance instance = ended(1);
  EXPECT_EQ(decideRestart(*instance.contract, instance, {}, BootTime(1h), 1.0).delay, Nanoseconds(750ms));
}

TEST(Restarts, NotForWhatEndedWellWasStoppedOrIsACycle) {
  EXPECT_FALSE(decideRestart(*ended(0).contract, ended(0), {}, BootTime(1h), 0).delay);
  Instance stopped = ended(1);
  stopped.cause = EndCause::kStopped;
  EXPECT_FALSE(decideRestart(*stopped.contract, stopped, {}, BootTime(1h), 0).delay);
  Instance cycle = ended(1);
  auto contract = std::make_shared<contract::Contract>(*cycle.contract);
  contract->run.mode = contract::RunMode::kCycle;
  EXPECT_FALSE(decideRestart(*contract, cycle, {}, BootTime(1h), 0).delay);
  auto always = std::make_shared<contract::Contract>(*ended(0).contract);
  always->restart.policy = contract::RestartPolicy::kAlways;
  EXPECT_TRUE(decideRestart(*always, ended(0), {}, BootTime(1h), 0).delay);
  always->restart.policy = contract::RestartPolicy::kNo;
  EXPECT_FALSE(decideRestart(*always, ended(1), {}, BootTime(1h), 0).delay);
}

TEST(Policy, EveryGrantBeyondIsNamedWithTheKeyThatWouldAllowIt) {
  contract::Contract contract;
  contract.run.command = {"/opt/x"};
  contract.workspace.mounts = {
      {"/etc", "/etc2", {}}, {"products/a", "/workspace", {}}, {"/srv/a/b", "/w", {}}, {"/srv/ab", "/v", {}}};
  contract.network.egress.resize(2);
  contract.network.egress[0].host = "evil.example";
  contract.network.egress[1].host = "API.example.";
  for (auto& rule : contract.network.egress) rule.port = 443;
  contract.run.secrets = {"token"};
  PolicyConfig policy;
  policy.programs = {"/usr/*"};
  policy.mounts = {"/srv/a"};
  policy.egress = {"api.example:*"};
  auto checked = checkCompanyGrants(contract, policy);
  ASSERT_FALSE(checked);
  for (const char* part : {"/opt/x", "\"/etc\"", "\"/srv/ab\"", "evil.example", "token", "policy.programs",
                           "policy.mounts", "policy.egress", "policy.secrets"}) {
    EXPECT_NE(checked.error().message().find(part), std::string::npos) << part;
  }
  EXPECT_EQ(checked.error().message().find("/srv/a/b"), std::string::npos);
  EXPECT_EQ(checked.error().message().find("products/a"), std::string::npos);
}

TEST(Policy, WhatIsAllowedPasses) {
  contract::Contract contract;
  contract.run.command = {"/usr/bin/python3", "x.py"};
  PolicyConfig policy;
  policy.programs = {"/usr/*"};
  EXPECT_TRUE(checkCompanyGrants(contract, policy));
}

TEST(DueHeap, EarliestFirstOneEntryAnAgent) {
  DueHeap heap;
  const auto a = *AgentName::parse("a"), b = *AgentName::parse("b"), c = *AgentName::parse("c");
  const Timestamp zero(1h);
  heap.set(a, zero + 3s);
  heap.set(b, zero + 1s);
  heap.set(c, zero + 2s);
  heap.set(a, zero + 1s);
  heap.set(c, std::nullopt);
  EXPECT_EQ(heap.earliest(), zero + 1s);
  EXPECT_EQ(heap.takeDue(zero).size(), 0U);
  EXPECT_EQ(heap.takeDue(zero + 5s), (std::vector<AgentName>{a, b}));
  EXPECT_FALSE(heap.earliest());
}

TEST(StartBackoff, DoublesUpToTenSecondsAndBeginsAgainAfterALongLife) {
  StartBackoff backoff;
  StartBackoff::Time now{};
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    backoff.started(now);
    waits.push_back(backoff.ended(now + 1s).count());
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}));
  backoff.started(now);
  EXPECT_EQ(backoff.ended(now + 31s).count(), 100);
}

TEST(FindUser, RefusesRootAndWhoIsNotThereNamingTheFlag) {
  EXPECT_TRUE(findUser("nobody"));
  for (const char* name : {"root", "no-such-user-here"}) {
    auto user = findUser(name);
    ASSERT_FALSE(user);
    EXPECT_NE(user.error().message().find("--user"), std::string::npos);
  }
}

}  // namespace
}  // namespace agentos::agentd
