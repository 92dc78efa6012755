// SPDX-License-Identifier: Apache-2.0
// logs and events, and what happens to them when the daemon goes away and comes back.
#include <csignal>

#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;

std::string frame(const std::string& time, const std::string& text, const std::string& stream = "stdout") {
  return Json{{"time", "2026-11-20T14:00:" + time + "Z"}, {"stream", stream}, {"text", text}}.dump() + "\n";
}

std::string event(int seq, const std::string& kind = "task.claimed") {
  return Json{{"seq", seq},
              {"time", "2026-11-20T14:03:07.120Z"},
              {"kind", kind},
              {"actor", "agentd"},
              {"agent", "maker"},
              {"task", "task-2026-1120-001"},
              {"data", {{"epoch", seq}}}}
      .dump();
}
std::string sse(int seq) {
  return "id: " + std::to_string(seq) + "\nevent: task.claimed\ndata: " + event(seq) + "\n\n";
}

using FollowTest = CliTest;

TEST_F(FollowTest, LogsAreTheTextOfTheFrames) {
  server().on("GET /v1/agents/maker/logs",
              {.contentType = "application/x-ndjson",
               .chunks = {frame("01.000", "one"), frame("01.000", "two", "stderr").substr(0, 20),
                          frame("01.000", "two", "stderr").substr(20) + frame("02.000", "three")}});
  auto ran = run({"logs", "maker", "-n", "10", "--since", "2026-11-20T00:00:00Z"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "one\ntwo\nthree\n");
  EXPECT_THAT(server().last().target, HasSubstr("tail=10"));
  EXPECT_THAT(server().last().target, HasSubstr("since=2026-11-20T00%3A00%3A00.000Z"));
  EXPECT_EQ(run({"logs", "maker", "--stderr"}).out, "two\n");
  EXPECT_THAT(run({"logs", "maker", "-o", "wide"}).out, HasSubstr("2026-11-20T14:00:01.000Z stderr two\n"));
  EXPECT_EQ(Json::parse(run({"logs", "maker", "--stderr", "-o", "json"}).out)["stream"], "stderr");
}

TEST_F(FollowTest, ALineInPiecesIsOneLine) {
  server().on("GET /v1/agents/maker/logs",
              {.contentType = "application/x-ndjson",
               .chunks = {R"json({"time":"t","stream":"stdout","text":"abc","partial":true})json"
                          "\n"
                          R"json({"time":"t","stream":"stdout","text":"def"})json"
                          "\n"}});
  EXPECT_EQ(run({"logs", "maker"}).out, "abcdef\n");
}

std::string eventLine(int seq, const std::string& time, const std::string& kind, const std::string& text) {
  return Json{{"kind", "event"}, {"seq", seq},   {"time", "2026-11-20T14:00:" + time + "Z"},
              {"event", kind},   {"text", text}, {"data", Json::object()}}
             .dump() +
         "\n";
}

TEST_F(FollowTest, EventsStandBetweenTheOutputAndAreMarked) {
  server().on(
      "GET /v1/agents/maker/logs",
      {.contentType = "application/x-ndjson",
       .chunks = {eventLine(4, "01.000", "instance.started", "maker.k3x7q2: started pid=7"), frame("02.000", "working"),
                  R"json({"kind":"output","time":"t","stream":"stdout","text":"half","partial":true})json"
                  "\n",
                  eventLine(5, "03.000", "instance.ended", "maker.k3x7q2: ended: \x1b[2J\nforged")}});
  auto ran = run({"logs", "maker"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "-- 2026-11-20T14:00:01.000Z instance.started maker.k3x7q2: started pid=7\nworking\nhalf\n"
            "-- 2026-11-20T14:00:03.000Z instance.ended maker.k3x7q2: ended:  [2J forged\n");
  EXPECT_THAT(server().last().target, HasSubstr("show=all"));
  run({"logs", "maker", "--output-only"});
  EXPECT_THAT(server().last().target, HasSubstr("show=output"));
  run({"logs", "maker", "--events-only", "--run", "k3x7q2"});
  EXPECT_THAT(server().last().target, HasSubstr("show=events"));
  EXPECT_THAT(server().last().target, HasSubstr("run=k3x7q2"));
  auto json = run({"logs", "maker", "-o", "json"}).out;
  EXPECT_EQ(Json::parse(json.substr(0, json.find('\n')))["kind"], "event");
  auto both = run({"logs", "maker", "--events-only", "--stderr"});
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err, HasSubstr("--events-only"));
}

TEST_F(FollowTest, FollowedLogsGoOnWithTheEventsAfterTheLastOne) {
  server().on("GET /v1/agents/maker/logs", [](const Asked& asked, int before) {
    Answer answer{.contentType = "application/x-ndjson"};
    if (before == 0) {
      // While it is followed, an event may come after output that is newer: each has a place of its own to go on from.
      answer.chunks = {frame("02.000", "one"), eventLine(4, "01.000", "task.claimed", "claimed")};
      answer.cut = true;
    } else {
      EXPECT_THAT(asked.target, HasSubstr("since=2026-11-20T14%3A00%3A02.000Z"));
      EXPECT_THAT(asked.target, HasSubstr("after=4"));
      answer.chunks = {frame("02.000", "one"), frame("02.000", "two"),
                       eventLine(5, "03.000", "instance.ended", "ended")};
    }
    return answer;
  });
  auto ran = run({"logs", "maker", "-f"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "one\n-- 2026-11-20T14:00:01.000Z task.claimed claimed\ntwo\n"
            "-- 2026-11-20T14:00:03.000Z instance.ended ended\n");
}

TEST_F(FollowTest, LogsOfNobodyAreNotFound) { EXPECT_EQ(run({"logs", "nobody", "-f"}).status, 5); }

TEST_F(FollowTest, FollowedLogsGoOnAfterTheDaemonWithoutGapOrRepetition) {
  server().on("GET /v1/agents/maker/logs", [](const Asked& asked, int before) {
    Answer answer{.contentType = "application/x-ndjson"};
    if (before == 0) {
      answer.chunks = {frame("01.000", "one"), frame("02.000", "two"), frame("02.000", "three")};
      answer.cut = true;
    } else if (before == 1) {
      answer.cut = true;  // still starting: hangs up
    } else {
      EXPECT_THAT(asked.target, HasSubstr("since=2026-11-20T14%3A00%3A02.000Z"));
      answer.chunks = {frame("02.000", "two"), frame("02.000", "three"), frame("02.000", "four"),
                       frame("03.000", "five")};
    }
    return answer;
  });
  auto ran = run({"logs", "maker", "-f"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "one\ntwo\nthree\nfour\nfive\n");
  EXPECT_THAT(ran.err, HasSubstr("agentd is away"));
}

TEST_F(FollowTest, EventsAreLinesAndJson) {
  server().on("GET /v1/audit",
              {.body = R"json({"items":[)json" + event(7) + "," + event(8) + R"json(],"next":null})json"});
  auto ran = run({"events", "-n", "2", "--kind", "task.*", "--agent", "maker"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, ::testing::ContainsRegex("task.claimed +maker +task-2026-1120-001  epoch=7\n"));
  EXPECT_EQ(server().last().target, "/v1/audit?kind=task.%2A&agent=maker&limit=2");
  auto json = run({"system", "events", "-o", "json"}).out;
  EXPECT_EQ(Json::parse(json.substr(0, json.find('\n')))["seq"], 7);
}

TEST_F(FollowTest, AnEventStaysOneLineThatCanBeRead) {
  auto huge = Json::parse(event(7));
  huge["data"] = {{"admission", {{"rows", {1, 2}}}}, {"reason", std::string(500, 'x')}};
  server().on("GET /v1/audit", {.body = Json{{"items", {huge}}, {"next", nullptr}}.dump()});
  auto line = run({"events"}).out;
  EXPECT_THAT(line, HasSubstr("admission={…} reason=xxx"));
  EXPECT_LT(line.size(), 300U);
  EXPECT_GT(run({"events", "-o", "wide"}).out.size(), 500U);
}

TEST_F(FollowTest, FollowedEventsGoOnFromTheLastOneSeen) {
  server().on("GET /v1/audit", {.body = R"json({"items":[)json" + event(7) + R"json(],"next":null})json"});
  server().on("GET /v1/events", [](const Asked& asked, int before) {
    EXPECT_EQ(asked.headers.at("last-event-id"), before == 0 ? "7" : before == 1 ? "9" : "10");
    Answer answer{.contentType = "text/event-stream"};
    answer.chunks = before == 0 ? std::vector<std::string>{sse(8), sse(9)} : std::vector<std::string>{sse(10)};
    answer.cut = true;
    return before >= 2 ? problem(403, "denied", "no more") : answer;
  });
  auto ran = run({"audit", "tail", "-f", "-n", "1"});
  EXPECT_EQ(ran.status, 4);  // another failure than an absent daemon ends it
  for (int seq = 7; seq <= 10; ++seq) EXPECT_THAT(ran.out, HasSubstr("epoch=" + std::to_string(seq) + "\n"));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 4);
}

TEST_F(FollowTest, ADaemonThatWasNeverThereIsNotWaitedFor) {
  EXPECT_EQ(run({"--socket", "/nowhere", "events", "-f"}, false).status, 3);
  EXPECT_EQ(run({"--socket", "/nowhere", "logs", "-f", "x"}, false).status, 3);
}

TEST_F(FollowTest, InterruptingAFollowerIs130) {
  server().on("GET /v1/audit", {.body = R"json({"items":[)json" + event(7) + R"json(],"next":null})json"});
  server().on("GET /v1/events", {.contentType = "text/event-stream", .chunks = {sse(8)}, .cut = true});
  pid_t child = start({"events", "-f"});
  EXPECT_TRUE(waitFor("out", "epoch=8"));
  ::kill(child, SIGINT);
  auto ran = finish(child);
  EXPECT_EQ(ran.status, 130);
  EXPECT_THAT(ran.out, HasSubstr("epoch=7"));
}

TEST_F(FollowTest, AuditQueryAsksWithAllItsWords) {
  server().on("GET /v1/audit", {.body = R"json({"items":[],"next":null})json"});
  EXPECT_EQ(run({"audit", "query", "--kind", "model.*", "--task", "t", "--trace", "x", "--instance", "i", "--until",
                 "2026-11-20T00:00:00Z", "--limit", "5"})
                .status,
            0);
  EXPECT_EQ(server().last().target,
            "/v1/audit?kind=model.%2A&instance=i&task=t&trace=x&until=2026-11-20T00%3A00%3A00.000Z&limit=5");
}

TEST_F(FollowTest, AuditVerifyFailsWhenTheChainIsBroken) {
  server().on(
      "GET /v1/audit/verify",
      {.body = R"json({"state":"anchored","events":812,"files":1,"anchored_up_to":800,"where":"","what":""})json"});
  auto good = run({"audit", "verify"});
  EXPECT_EQ(good.status, 0);
  EXPECT_THAT(good.out, HasSubstr("Anchored up to: 800"));
  server().on(
      "GET /v1/audit/verify",
      {.body =
           R"json({"state":"broken","events":811,"files":1,"anchored_up_to":800,"where":"audit-000001.jsonl:812","what":"line 812 was changed"})json"});
  auto bad = run({"audit", "verify"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.out, HasSubstr("line 812 was changed"));
  EXPECT_THAT(bad.err, HasSubstr("audit-000001.jsonl:812"));
}

}  // namespace
}  // namespace agentos::agentctl
