// SPDX-License-Identifier: Apache-2.0
// The company's work: tasks, mail, cycles, models, costs; and the daemon itself.
#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;
using WorkTest = CliTest;

const char* kTask =
    R"json({"id":"task-2026-1120-001","status":"queued","title":"Build it","priority":"high","assigned_to":null,"attempt":1,"attempts":3,
"depends_on":["task-2026-1120-000"],"created":"2026-11-20T14:03:07.120Z","body":"The text.","handoff":{"attempted":"a lot","next":"more"}})json";

TEST_F(WorkTest, TasksAreListedOverAllPages) {
  server().on("GET /v1/tasks", [](const Asked& asked, int) {
    bool second = asked.target.find("after=n1") != std::string::npos;
    return Answer{.body = std::string(R"json({"items":[)json") + kTask + R"json(],"next":)json" +
                          (second ? "null" : "\"n1\"") + "}"};
  });
  auto ran = run({"task", "list", "--status", "queued"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 3);
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("task-2026-1120-001 +queued +high +- +1/3 +[^ ]+ +Build it\n"));
  EXPECT_EQ(server().asked().front().target, "/v1/tasks?status=queued");
}

TEST_F(WorkTest, ATaskIsAddedWithAllItsFields) {
  server().on("POST /v1/tasks", {.status = 201, .body = R"json({"id":"task-2026-1120-002"})json"});
  auto ran = run({"task",
                  "add",
                  "Build it",
                  "--body-file",
                  "-",
                  "--assign",
                  "maker",
                  "-p",
                  "high",
                  "--tag",
                  "a",
                  "--tag",
                  "b",
                  "--depends-on",
                  "task-2026-1120-001",
                  "--deadline",
                  "2026-12-01T00:00:00Z",
                  "--key",
                  "k1",
                  "--attempts",
                  "5",
                  "--backlog"},
                 true, "The text.\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "task-2026-1120-002\n");
  EXPECT_EQ(
      Json::parse(server().last().body),
      Json::parse(
          R"json({"title":"Build it","body":"The text.\n","assigned_to":"maker","priority":"high","tags":["a","b"],
                            "depends_on":["task-2026-1120-001"],"deadline":"2026-12-01T00:00:00.000Z","idempotency_key":"k1","attempts":5,"backlog":true})json"));
}

TEST_F(WorkTest, ATitleMayBeAnOptionAndMustBeThere) {
  server().on("POST /v1/tasks", {.status = 201, .body = "{\"id\":\"task-2026-1120-002\"}"});
  EXPECT_EQ(run({"task", "add", "--title", "Write a haiku", "--to", "maker"}).status, 0);
  EXPECT_EQ(Json::parse(server().last().body)["title"], "Write a haiku");
  EXPECT_EQ(Json::parse(server().last().body)["assigned_to"], "maker");
  EXPECT_EQ(run({"task", "add"}).status, 2);
}

TEST_F(WorkTest, ATimeAheadSaysSoWhenItIsNone) {
  auto ran = run({"task", "add", "Later", "--not-before", "tomorrow"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("how far ahead"));
}

TEST_F(WorkTest, ATaskOrMailForNobodyIsTakenAndSaid) {
  server().on("POST /v1/tasks", {.status = 201, .body = R"json({"id":"task-2026-1120-002"})json"});
  server().on("POST /v1/messages", {.status = 201, .body = R"json({"id":"msg-2026-1120-001"})json"});
  server().on("GET /v1/contracts",
              {.body = R"json({"items":[{"name":"maker"},{"name":"agent-000-steward"}],"next":null})json"});
  auto mistyped = run({"task", "add", "Build it", "--to", "makre"});
  EXPECT_EQ(mistyped.status, 0);
  EXPECT_EQ(mistyped.out, "task-2026-1120-002\n");
  EXPECT_EQ(mistyped.err, "no agent is called makre: it waits until one is; did you mean \"maker\"?\n");
  EXPECT_EQ(run({"task", "add", "Build it", "--to", "maker"}).err, "");
  EXPECT_EQ(run({"task", "add", "Build it", "--to", "agent-000"}).err, "");
  EXPECT_EQ(run({"task", "add", "Build it"}).err, "");
  EXPECT_THAT(run({"msg", "send", "makre", "Hello"}).err, HasSubstr("did you mean \"maker\"?"));
  EXPECT_EQ(run({"msg", "send", "human", "Hello"}).err, "");
}

TEST_F(WorkTest, ATaskIsShownWithItsText) {
  server().on("GET /v1/tasks/task-2026-1120-001", {.body = kTask});
  auto ran = run({"task", "show", "task-2026-1120-001"});
  EXPECT_THAT(ran.out, HasSubstr("Attempted:   a lot"));
  EXPECT_THAT(ran.out, HasSubstr("\nThe text.\n"));
}

TEST_F(WorkTest, TasksAreMoved) {
  for (const char* verb : {"promote", "demote", "requeue", "complete", "fail", "decline"}) {
    server().on(std::string("POST /v1/tasks/task-2026-1120-001/") + verb, {.body = kTask});
    auto ran = run({"task", verb, "task-2026-1120-001", "-m", "because"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.out, "task-2026-1120-001 queued\n");
    EXPECT_EQ(server().last().body, R"json({"reason":"because"})json");
  }
  server().on("POST /v1/tasks/task-2026-1120-001/promote", problem(409, "task.wrong_state", "it is done"));
  EXPECT_EQ(run({"task", "promote", "task-2026-1120-001"}).status, 4);
}

TEST_F(WorkTest, MailIsSentAndRead) {
  server().on("POST /v1/messages", {.status = 201, .body = R"json({"id":"msg-2026-1120-001"})json"});
  EXPECT_EQ(run({"msg", "send", "maker", "Hello", "How are you?", "--urgent"}).out, "msg-2026-1120-001\n");
  EXPECT_EQ(Json::parse(server().last().body),
            Json::parse(R"json({"to":"maker","subject":"Hello","body":"How are you?","urgent":true})json"));
  server().on(
      "GET /v1/messages/human",
      {.body =
           R"json({"items":[{"id":"msg-2026-1120-002","from":"maker","subject":"Done","sent":"2026-11-20T14:00:00Z"}],"next":null})json"});
  EXPECT_THAT(run({"msg", "inbox"}).out, HasSubstr("Done"));
}

TEST_F(WorkTest, CyclesSayWhenAndWhyNot) {
  server().on("GET /v1/cycles", {.body = R"json({"items":[
    {"agent":"maker","state":"idle","detail":"nothing queued","next_due":"2099-01-01T00:00:00Z","on_task":true,"held":false,"waiting":false,"running":null},
    {"agent":"grower","state":"running","next_due":"2020-01-01T00:00:00Z","on_task":false,"held":false,"waiting":false,"running":"grower.aaaaaa"},
    {"agent":"steward","state":"idle","next_due":"2020-01-01T00:00:00Z","on_task":false,"held":true,"waiting":false,"running":null}],"next":null})json"});
  auto all = run({"cycle", "schedule"});
  EXPECT_THAT(all.out, ::testing::ContainsRegex("maker +idle +in [0-9]+d, on work +- +- +nothing queued\n"));
  EXPECT_THAT(all.out, ::testing::ContainsRegex("steward +held"));
  EXPECT_EQ(run({"cycle", "due", "-o", "name"}).out, "grower\n");
}

TEST_F(WorkTest, ACycleNowOrWhyNot) {
  server().on("POST /v1/cycles/maker/run",
              {.body = R"json({"agent":"maker","instance":"maker.aaaaaa","idle":null,"detail":null})json"});
  EXPECT_EQ(run({"cycle", "run", "maker"}).out, "maker.aaaaaa\n");
  server().on(
      "POST /v1/cycles/maker/run",
      {.body = R"json({"agent":"maker","instance":null,"idle":"starved","detail":"2 tasks are for grower"})json"});
  EXPECT_EQ(run({"cycle", "run", "maker"}).out, "maker starved: 2 tasks are for grower\n");
  server().on("POST /v1/cycles/maker/run",
              {.body = R"json({"agent":"maker","instance":null,"idle":"starved","detail":null})json"});
  EXPECT_EQ(run({"cycle", "run", "maker"}).out, "maker starved: the work that waits is for others\n");
  server().on("POST /v1/cycles/maker/hold", {.body = R"json({"agent":"maker","held":true})json"});
  EXPECT_EQ(run({"cycle", "hold", "maker"}).out, "maker held\n");
}

TEST_F(WorkTest, CostsAreExported) {
  server().on("POST /v1/costs/export", {.body = R"json({"written":12,"rebuilt":true})json"});
  EXPECT_THAT(run({"cost", "export", "--rebuild"}).err, HasSubstr("12 lines written anew"));
  EXPECT_EQ(Json::parse(server().last().body)["rebuild"], true);
  EXPECT_EQ(run({"cost", "export"}).status, 0);
  EXPECT_EQ(Json::parse(server().last().body)["rebuild"], false);
}

TEST_F(WorkTest, CostsByWhatever) {
  server().on(
      "GET /v1/costs",
      {.body =
           R"json({"items":[{"key":"maker","cost_micro_usd":1234567,"calls":3,"input_tokens":100,"output_tokens":20}],
    "caps":[{"name":"company_per_day_usd","cap":5000000,"used":1234567,"reserved":0,"left":3765433}],"next":null,"total_micro_usd":1234567})json"});
  auto ran = run({"cost", "show", "--by", "agent"});
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("maker +3 +100 +20 +\\$1.234567\n"));
  EXPECT_THAT(ran.err, HasSubstr("total $1.234567"));
  EXPECT_THAT(ran.err, HasSubstr("company_per_day_usd: $1.234567 used"));
  EXPECT_EQ(server().last().target, "/v1/costs?by=agent");
  EXPECT_EQ(Json::parse(run({"cost", "show", "-o", "json"}).out)["total_micro_usd"], 1234567);
  run({"model", "usage"});
  EXPECT_EQ(server().last().target, "/v1/costs?by=model");
}

TEST_F(WorkTest, ModelsAndContracts) {
  server().on(
      "GET /v1/models",
      {.body =
           R"json({"items":[{"name":"scripted/default","upstream":null,"max_output_tokens":4096,"price_micro_usd_per_million":{"input":1000000,"output":2000000,"cached_input":0}}],"next":null})json"});
  EXPECT_THAT(run({"model", "list"}).out, ::testing::ContainsRegex("scripted/default +- +4096 +\\$1.00 +\\$2.00\n"));
  server().on(
      "GET /v1/contracts",
      {.body =
           R"json({"items":[{"name":"maker","digest":"0123456789abcdef","version":1,"mode":"cycle","class":"DT","binding":"flexible","source":"/x"}],"next":null})json"});
  EXPECT_THAT(run({"contract", "list"}).out,
              ::testing::ContainsRegex("maker +1 +cycle +DT +flexible +- +0123456789ab\n"));
  server().on("GET /v1/contracts/maker", {.body = R"json({"name":"maker"})json"});
  EXPECT_EQ(Json::parse(run({"contract", "show", "maker"}).out)["name"], "maker");
}

TEST_F(WorkTest, TheDaemonAndItsDoctor) {
  server().on(
      "GET /v1/system",
      {.body =
           R"json({"version":"9.9","pid":1,"audit":{"sequence":5},"warnings":["no memory controller; mount it"]})json"});
  EXPECT_THAT(run({"system", "info"}).out, HasSubstr("audit.sequence: "));
  EXPECT_THAT(run({"system", "version"}).out, HasSubstr("9.9"));
  server().on("GET /readyz", problem(503, "unavailable", "not ready: recovering"));
  server().on("GET /v1/agents",
              {.body = std::string(R"json({"items":[)json") + kRunning + R"json(],"next":null})json"});
  server().on("GET /v1/audit/verify", {.body = R"json({"state":"intact","events":5})json"});
  auto ran = run({"system", "doctor"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("not ready: recovering"));
  EXPECT_THAT(ran.out, HasSubstr("agentd is version 9.9"));
  EXPECT_THAT(ran.out, HasSubstr("no memory controller"));
  EXPECT_THAT(ran.out, HasSubstr("maker.k3x9q2 runs without memory"));
  EXPECT_THAT(ran.out, HasSubstr("the audit log is intact"));
  EXPECT_EQ(run({"--socket", "/nowhere", "system", "doctor"}, false).status, 1);
}

TEST_F(WorkTest, AReloadThatKeptAnOldContractIsAFailure) {
  server().on("POST /v1/system/reload", {.body = R"json({"added":["a"],"changed":[],"removed":[],"problems":[]})json"});
  EXPECT_EQ(run({"system", "reload"}).status, 0);
  EXPECT_EQ(run({"system", "reload"}).err, "");
  server().on("POST /v1/system/reload", {.body = R"json({"added":[],"changed":[],"removed":[],"problems":[]})json"});
  EXPECT_EQ(run({"system", "reload"}).err, "nothing has changed\n");
  server().on("POST /v1/system/reload",
              {.body = R"json({"added":[],"changed":[],"removed":[],"problems":["x.yaml:1:1: bad"]})json"});
  auto ran = run({"system", "reload"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, HasSubstr("x.yaml:1:1: bad"));
}

TEST_F(WorkTest, TheCompanyAndItsTasks) {
  server().on(
      "GET /v1/company",
      {.body =
           R"json({"name":"acme","path":"/srv/acme","timezone":"UTC","per_day_micro_usd":null,"tasks":{"done":12,"in-progress":1}})json"});
  auto ran = run({"company", "status"});
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("Tasks done: +12\n"));
  EXPECT_THAT(ran.out, ::testing::Not(HasSubstr("Cap a day")));
}

}  // namespace
}  // namespace agentos::agentctl
