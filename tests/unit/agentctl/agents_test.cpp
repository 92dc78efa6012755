// SPDX-License-Identifier: Apache-2.0
#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AgentsTest : public CliTest {
 protected:
  AgentsTest() {
    std::string quiet = kRunning;
    server().on("GET /v1/agents", {.body = R"json({"items":[)json" + quiet + R"json(],"next":null})json"});
    server().on("GET /v1/agents/maker", {.body = kRunning});
  }
  std::string contract() const {
    return write("c.yaml", "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n");
  }
};

TEST_F(AgentsTest, PsIsATable) {
  auto ran = run({"ps"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, ::testing::MatchesRegex("ID +STATE +MODE +TASK +AGE +CALLS +COST\nmaker.k3x9q2 +running +cycle "
                                               "+task-2026-1120-001 +[^ ]+ +3 +\\$0.004200\n"));
  EXPECT_EQ(server().last().target, "/v1/agents");
}

TEST_F(AgentsTest, PsInEveryFormat) {
  EXPECT_EQ(run({"ps", "-o", "name"}).out, "maker.k3x9q2\n");
  auto json = Json::parse(run({"list", "-a", "-o", "json"}).out);
  EXPECT_EQ(json["items"][0], Json::parse(kRunning));
  EXPECT_EQ(server().last().target, "/v1/agents?all=1");
  EXPECT_THAT(run({"ps", "-o", "wide"}).out, HasSubstr("4711"));
  EXPECT_THAT(run({"ps", "-o", "yaml"}).out, HasSubstr("items:\n  - adopted: false\n    agent: maker\n"));
}

TEST_F(AgentsTest, NothingToListIsAMessageAndStillJson) {
  server().on("GET /v1/agents", {.body = R"json({"items":[],"next":null})json"});
  auto ran = run({"ps"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ran.err, HasSubstr("ps --all"));
  EXPECT_EQ(run({"ps", "-q"}).err, "");
  EXPECT_EQ(Json::parse(run({"ps", "-o", "json"}).out)["items"], Json::array());
}

TEST_F(AgentsTest, WhatAnAgentNamedCannotSteerTheTerminal) {
  auto view = Json::parse(kRunning);
  view["task"] = "x\033[2Jy\nz";
  server().on("GET /v1/agents", {.body = Json{{"items", {view}}, {"next", nullptr}}.dump()});
  auto ran = run({"ps"});
  EXPECT_THAT(ran.out, HasSubstr("x [2Jy z"));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
}

TEST_F(AgentsTest, StatusSaysWhatIsNotEnforced) {
  auto ran = run({"status", "maker"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, HasSubstr("Not enforced: memory: no memory controller"));
  EXPECT_THAT(ran.out, HasSubstr("State:        running"));
  EXPECT_THAT(ran.out, Not(HasSubstr("Adopted")));
}

TEST_F(AgentsTest, InspectIsTheWholeDocument) {
  server().on("GET /v1/agents/maker/inspect", {.body = R"json({"id":"maker.k3x9q2","processes":[1,2]})json"});
  EXPECT_EQ(Json::parse(run({"inspect", "maker"}).out)["processes"], Json({1, 2}));
  EXPECT_THAT(run({"inspect", "maker", "-o", "yaml"}).out, HasSubstr("processes:\n  - 1\n  - 2\n"));
}

TEST_F(AgentsTest, SpawnSendsTheContractAndPrintsTheId) {
  server().on("POST /v1/agents", {.status = 201, .body = R"json({"id":"other.aaaaaa"})json"});
  auto path = contract();
  auto ran = run({"spawn", "--contract", path, "--name", "other", "--class", "SRT"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "other.aaaaaa\n");
  auto body = Json::parse(server().last().body);
  EXPECT_THAT(body["contract"].get<std::string>(), HasSubstr("name: maker"));
  EXPECT_EQ(body["source"], path);
  EXPECT_EQ(body["name"], "other");
  EXPECT_EQ(body["class"], "SRT");
  EXPECT_FALSE(server().last().headers.at("idempotency-key").empty());
}

TEST_F(AgentsTest, SpawnFromStdin) {
  server().on("POST /v1/agents", {.status = 201, .body = R"json({"id":"maker.aaaaaa"})json"});
  auto ran = run({"spawn", "-c", "-"}, true, "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
}

TEST_F(AgentsTest, ABrokenContractNeverReachesTheDaemon) {
  auto path =
      write("bad.yaml",
            "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nbindin: strict\ncompute: { mem: lots }\n");
  auto ran = run({"spawn", "--contract", path});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("bad.yaml:4:1"));
  EXPECT_THAT(ran.err, HasSubstr("bad.yaml:5:"));
  EXPECT_TRUE(server().asked().empty());
  EXPECT_EQ(run({"spawn", "--contract", "/nowhere.yaml"}).status, 5);
}

TEST_F(AgentsTest, ARefusedSpawnSaysWhatWouldMeetIt) {
  server().on("POST /v1/agents", problem(409, "contract.unmet", "compute.mem cannot be held", "binding: flexible"));
  auto ran = run({"spawn", "--contract", contract()});
  EXPECT_EQ(ran.status, 4);
  EXPECT_EQ(ran.err, "agentctl: compute.mem cannot be held; binding: flexible\n");
}

TEST_F(AgentsTest, SpawnWaitEndsAsTheAgentDid) {
  server().on("POST /v1/agents", {.status = 201, .body = R"json({"id":"maker.k3x9q2"})json"});
  server().on("GET /v1/agents/maker.k3x9q2/wait", [](const Asked&, int before) {
    if (before == 0) return problem(504, "timed_out", "still running");
    return Answer{.body = ended(before == 1 ? 0 : 3)};
  });
  auto good = run({"spawn", "--contract", contract(), "--wait"});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(good.out, "maker.k3x9q2 exited with status 0\n");
  auto bad = run({"spawn", "--contract", contract(), "--wait"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_EQ(bad.out, "maker.k3x9q2 exited with status 3\n");
}

TEST_F(AgentsTest, WaitHasADeadline) {
  server().on("GET /v1/agents/maker.k3x9q2/wait", [](const Asked&, int) {
    auto answer = problem(504, "timed_out", "still running");
    answer.delayMs = 60;
    return answer;
  });
  auto ran = run({"wait", "maker", "--timeout", "100ms"});
  EXPECT_EQ(ran.status, 6);
  EXPECT_THAT(ran.err, HasSubstr("has not ended within 100ms"));
  EXPECT_THAT(server().asked().at(1).target, HasSubstr("timeout=100ms"));
}

TEST_F(AgentsTest, WaitingOutlivesTheDaemonAndMeansTheSameInstance) {
  server().on("GET /v1/agents/maker.k3x9q2/wait",
              [](const Asked&, int before) { return before < 4 ? Answer{.cut = true} : Answer{.body = ended(0)}; });
  auto ran = run({"wait", "maker"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "maker.k3x9q2 exited with status 0\n");
  EXPECT_EQ(run({"wait", "nobody"}).status, 5);
  EXPECT_EQ(run({"--socket", "/nowhere", "wait", "maker"}, false).status, 3);
}

TEST_F(AgentsTest, HowItEnded) {
  auto view = Json::parse(ended(0));
  view["exit"] = {{"signal", 9}, {"exec_failed", false}, {"oom_kills", 1}};
  server().on("GET /v1/agents/maker.k3x9q2/wait", {.body = view.dump()});
  auto killed = run({"wait", "maker"});
  EXPECT_EQ(killed.status, 1);
  EXPECT_THAT(killed.out, HasSubstr("ended by signal 9 (Killed), out of memory"));
  view["exit"] = {{"code", 127}, {"exec_failed", true}, {"detail", "/bin/nope: No such file"}};
  server().on("GET /v1/agents/maker.k3x9q2/wait", {.body = view.dump()});
  EXPECT_THAT(run({"wait", "maker"}).out, HasSubstr("could not be started: /bin/nope"));
  view["exit"] = nullptr;
  view["state"] = "lost";
  view["reason"] = "agent-init died";
  server().on("GET /v1/agents/maker.k3x9q2/wait", {.body = view.dump()});
  auto lost = run({"wait", "maker"});
  EXPECT_EQ(lost.status, 1);
  EXPECT_THAT(lost.out, HasSubstr("lost: agent-init died"));
}

TEST_F(AgentsTest, ChangesAreSentAndTold) {
  for (const char* verb : {"pause", "resume", "stop", "kill"}) {
    server().on(std::string("POST /v1/agents/maker/") + verb, {.body = kRunning});
    auto ran = run({verb, "maker"});
    EXPECT_EQ(ran.status, 0) << verb << ran.err;
    EXPECT_EQ(ran.out, "maker.k3x9q2 running\n");
    EXPECT_EQ(server().last().body, "{}");
  }
  run({"stop", "maker", "--grace", "2s"});
  EXPECT_EQ(server().last().body, R"json({"grace":"2s"})json");
  run({"kill", "maker", "--signal", "SIGHUP"});
  EXPECT_EQ(server().last().body, R"json({"signal":1})json");
  run({"kill", "maker", "-s", "10"});
  EXPECT_EQ(server().last().body, R"json({"signal":10})json");
  server().on("POST /v1/agents/maker/restart", {.status = 201, .body = R"json({"id":"maker.bbbbbb"})json"});
  EXPECT_EQ(run({"restart", "maker"}).out, "maker.bbbbbb\n");
}

TEST_F(AgentsTest, OneOfSeveralThatFailsDoesNotKeepTheOthers) {
  server().on("POST /v1/agents/a/pause", problem(404, "not_found", "no agent \"a\""));
  server().on("POST /v1/agents/b/pause", {.body = kRunning});
  auto ran = run({"pause", "a", "b"});
  EXPECT_EQ(ran.status, 5);
  EXPECT_EQ(ran.out, "maker.k3x9q2 running\n");
}

TEST_F(AgentsTest, AnIdCannotLeaveItsPlaceInThePath) {
  EXPECT_EQ(run({"status", "../tasks?x"}).status, 5);
  EXPECT_EQ(server().last().target, "/v1/agents/..%2Ftasks%3Fx");
}

}  // namespace
}  // namespace agentos::agentctl
