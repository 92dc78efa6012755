// SPDX-License-Identifier: Apache-2.0
// The gateway of rooms: model calls, their budgets and what is cut, and what a run says of itself.
#include <thread>

#include "world.h"

namespace agentos::agentd::test {
namespace {

using namespace std::chrono_literals;

class Gateways : public World {
 protected:
  RawAnswer call(const std::string& room, const Json& body) {
    return RawClient(room).ask("POST", "/v1/chat/completions", dumpJson(body));
  }
  std::vector<models::Ledger::Settlement> settled() {
    return loop.run([this] { return settlements; });
  }
};

TEST_F(Gateways, AnswersWholeAndMeters) {
  auto room = openRoom("maker.aaaaaa");
  auto answer = call(room, chat("test/good", false));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json()["choices"][0]["message"]["content"], "hello world");
  ASSERT_EQ(settled().size(), 1U);
  EXPECT_EQ(settled()[0].account.agent, "maker");
  EXPECT_EQ(settled()[0].account.instance, "maker.aaaaaa");
  EXPECT_EQ(settled()[0].cost, MicroUsd{14});
  EXPECT_EQ(RawClient(room).ask("GET", "/v1/models").json()["data"][0]["id"], "test/good");
}

TEST_F(Gateways, StreamsAsItComes) {
  auto room = openRoom("maker.aaaaaa");
  auto answer = call(room, chat("test/good", true));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "text/event-stream");
  EXPECT_TRUE(answer.whole);
  auto first = answer.body.find("\"hello \""), second = answer.body.find("\"world\"");
  EXPECT_LT(first, second);
  EXPECT_TRUE(answer.body.ends_with("data: [DONE]\n\n")) << answer.body;
  RawClient client(room);
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: " +
              std::to_string(dumpJson(chat("test/hang", true)).size()) + "\r\n\r\n" +
              dumpJson(chat("test/hang", true)));
  EXPECT_TRUE(client.receiveUntil("hello "));  // the first piece is there before the second exists
}

// Errors are errors: a status, or a stream that is visibly not whole.
TEST_F(Gateways, ErrorsAreNever200) {
  auto room = openRoom("maker.aaaaaa");
  for (bool stream : {false, true}) {
    auto down = call(room, chat("test/down", stream));
    EXPECT_EQ(down.status, 502) << down.body;
    EXPECT_EQ(down.json()["error"]["code"], "model.upstream");
    auto unknown = call(room, chat("cloud/other", stream));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.json()["error"]["code"], "model.unknown");
  }
  EXPECT_EQ(RawClient(room).ask("POST", "/v1/chat/completions", "{").status, 400);
  EXPECT_EQ(RawClient(room).ask("POST", "/v1/chat/completions", "[]").json()["error"]["code"], "model.request");
  auto broken = call(room, chat("test/broken", true));
  EXPECT_EQ(broken.status, 200);
  EXPECT_NE(broken.body.find("\"error\""), std::string::npos);
  EXPECT_EQ(broken.body.find("[DONE]"), std::string::npos);
  EXPECT_FALSE(broken.whole);
}

TEST_F(Gateways, SpeaksTheApisOfOthersOnTheSameLedger) {
  auto room = openRoom("maker.aaaaaa");
  auto post = [&](const char* path, Json body) { return RawClient(room).ask("POST", path, dumpJson(body)); };
  auto messages = [](const char* model, bool stream) {
    return Json{{"model", model},
                {"max_tokens", 50},
                {"stream", stream},
                {"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}};
  };
  EXPECT_EQ(post("/v1/messages", messages("test/good", false)).json()["content"][0]["text"], "hello world");
  auto streamed = post("/v1/messages?beta=true", messages("test/good", true));
  EXPECT_EQ(streamed.status, 200);
  EXPECT_TRUE(streamed.whole);
  EXPECT_NE(streamed.body.find("event: message_stop\n"), std::string::npos) << streamed.body;
  auto response = post("/v1/responses", {{"model", "test/good"}, {"input", "hi"}});
  EXPECT_EQ(response.json()["output"][0]["content"][0]["text"], "hello world") << response.body;
  auto items = post("/v1/responses", {{"model", "test/good"}, {"input", "hi"}, {"stream", true}});
  EXPECT_NE(items.body.find("event: response.completed\n"), std::string::npos) << items.body;
  EXPECT_EQ(settled().size(), 4U);

  auto counted = post("/v1/messages/count_tokens", messages("test/good", false));
  EXPECT_GT(counted.json().value("input_tokens", 0), 0) << counted.body;
  EXPECT_EQ(settled().size(), 4U) << "a count costs nothing";
}

TEST_F(Gateways, ErrorsHaveTheShapeOfTheApiThatWasSpoken) {
  auto room = openRoom("maker.aaaaaa");
  auto ask = [&](const char* path, const char* body) { return RawClient(room).ask("POST", path, body); };
  auto down = ask("/v1/messages", R"({"model":"test/down","max_tokens":9,"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(down.status, 502);
  EXPECT_EQ(down.json()["type"], "error");
  EXPECT_EQ(down.json()["error"]["type"], "api_error");
  auto broken =
      ask("/v1/messages",
          R"({"model":"test/broken","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]})");
  EXPECT_NE(broken.body.find("event: error\n"), std::string::npos) << broken.body;
  EXPECT_EQ(broken.body.find("message_stop"), std::string::npos);
  EXPECT_FALSE(broken.whole);
  auto failed = ask("/v1/responses", R"({"model":"test/broken","input":"x","stream":true})");
  EXPECT_NE(failed.body.find("event: response.failed\n"), std::string::npos) << failed.body;
  EXPECT_FALSE(failed.whole);
  EXPECT_EQ(ask("/v1/responses", R"({"input":[]})").json()["error"]["code"], "model.request");
  EXPECT_EQ(ask("/v1/messages", "[]").status, 400);
}

// A request of many megabytes is parsed, measured and let go of elsewhere: everybody else is answered meanwhile.
TEST_F(Gateways, ALargeRequestKeepsNobodyWaiting) {
  auto room = openRoom("maker.aaaaaa");
  std::string body = R"({"model":"cloud/other","messages":[)";
  for (int i = 0; i < 300'000; ++i) body += R"({"role":"user","content":"x"},)";
  body.back() = ']';
  body += '}';
  std::chrono::steady_clock::duration longest{}, whole{};
  for (int attempt = 0; attempt < 5; ++attempt) {  // the machine itself may stand still for a moment
    longest = {};
    std::atomic<bool> answered = false;
    const auto began = std::chrono::steady_clock::now();
    std::thread sender([&] {
      auto refused = RawClient(room).ask("POST", "/v1/chat/completions", body);
      EXPECT_EQ(refused.status, 404) << refused.body.substr(0, 200);
      answered = true;
    });
    while (!answered) {
      const auto asked = std::chrono::steady_clock::now();
      EXPECT_EQ(ask("GET", "/v1/agents").status, 200);
      longest = std::max(longest, std::chrono::steady_clock::now() - asked);
    }
    sender.join();
    whole = std::chrono::steady_clock::now() - began;
    if (longest < 50ms) break;
  }
  EXPECT_LT(longest, 50ms);
  EXPECT_GT(whole, 100ms) << "so light a request proves nothing";
}

TEST_F(Gateways, BudgetsRefuse) {
  auto poor = openRoom("poor.aaaaaa", "budget: { per_run_usd: 0.000001 }\n");
  auto refused = call(poor, chat("test/good", true));
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.json()["error"]["code"], "budget.exhausted");
  EXPECT_EQ(refused.json()["error"]["type"], "insufficient_quota");
  EXPECT_EQ(refused.header("x-should-retry"), "false");
  EXPECT_EQ(RawClient(poor).ask("GET", "/self").json()["budget"]["turns_used"], 0);
  auto turns = openRoom("brief.aaaaaa", "budget: { max_turns: 2 }\n");
  EXPECT_EQ(call(turns, chat("test/good", false)).status, 200);
  EXPECT_EQ(call(turns, chat("none/such", false)).status, 404);  // was no turn
  EXPECT_EQ(call(turns, chat("test/good", false)).status, 200);
  auto third = call(turns, chat("test/good", false));
  EXPECT_EQ(third.status, 429);
  EXPECT_NE(third.body.find("max_turns"), std::string::npos);
  EXPECT_EQ(RawClient(turns).ask("GET", "/self").json()["budget"]["turns_used"], 2);
}

TEST_F(Gateways, AClientThatDiesIsCutAndSettledAtOnce) {
  auto room = openRoom("maker.aaaaaa");
  std::size_t before = openDescriptors();
  for (bool stream : {true, false}) {
    std::size_t had = settled().size();
    {
      RawClient client(room);
      std::string body = dumpJson(chat("test/hang", stream));
      client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\n\r\n" + body);
      EXPECT_TRUE(eventually([&] { return driver->running == 1; }));
    }
    auto died = std::chrono::steady_clock::now();
    EXPECT_TRUE(eventually([&] { return driver->running == 0 && settled().size() == had + 1; })) << stream;
    EXPECT_LT(std::chrono::steady_clock::now() - died, 1s);
    EXPECT_EQ(settled().back().outcome, "cut");
    EXPECT_GT(settled().back().cost.count, 0);
  }
  EXPECT_TRUE(eventually([&] { return openDescriptors() <= before; }));
}

TEST_F(Gateways, AClosedRoomIsCutSettledAndGone) {
  std::size_t before = openDescriptors();
  auto room = openRoom("maker.aaaaaa");
  RawClient client(room), idle(room);
  EXPECT_EQ(idle.ask("GET", "/self").status, 200);
  std::string body = dumpJson(chat("test/hang", true));
  client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  EXPECT_TRUE(client.receiveUntil("hello "));
  loop.await(gateway->closeRoom(InstanceId::parse("maker.aaaaaa").value()));
  EXPECT_EQ(driver->running, 0);
  ASSERT_EQ(settled().size(), 1U);  // settled before closeRoom returned
  EXPECT_EQ(settled()[0].outcome, "cut");
  EXPECT_EQ(gateway->rooms(), 0U);
  client.hangUp();
  idle.hangUp();
  EXPECT_FALSE(RawClient(room).connected());
  EXPECT_TRUE(eventually([&] { return openDescriptors() <= before; }));
}

// Whose call it is, the listener says, whatever the caller writes.
TEST_F(Gateways, ACallerIsItsListener) {
  auto maker = openRoom("maker.aaaaaa"), other = openRoom("other.bbbbbb");
  EXPECT_EQ(RawClient(maker).ask("GET", "/self?id=other.bbbbbb", "", "X-Agent-Id: other.bbbbbb\r\n").json()["id"],
            "maker.aaaaaa");
  auto self = RawClient(other).ask("GET", "/self").json();
  EXPECT_EQ(self["id"], "other.bbbbbb");
  EXPECT_EQ(self["agent"], "other");
  EXPECT_EQ(self["contract"]["name"], "other");
  EXPECT_EQ(self["budget"]["left_micro_usd"],
            std::min(company->settings().perDay, company->settings().perMonth).value().count);
  EXPECT_EQ(self["models"][0], "test/good");
  auto capped = openRoom("capped.cccccc", "budget: { per_run_usd: 2.00, max_turns: 7 }\ncapabilities: [fs.read]\n");
  EXPECT_EQ(RawClient(capped).ask("GET", "/self").json()["budget"]["left_micro_usd"], 2'000'000);
  EXPECT_EQ(RawClient(capped).ask("GET", "/self").json()["contract"]["max_turns"], 7);
}

TEST_F(Gateways, TellsAndJudgesItsTask) {
  auto room = openRoom("maker.aaaaaa");
  EXPECT_EQ(RawClient(room).ask("GET", "/self/task").status, 404);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/task/complete", "{}").status, 404);
  auto id = claimedTask("maker.aaaaaa");
  auto task = RawClient(room).ask("GET", "/self/task").json();
  EXPECT_EQ(task["id"], id.str());
  EXPECT_EQ(task["title"], "Write it");
  EXPECT_EQ(task["epoch"], 1);
  EXPECT_NE(task["body"].get<std::string>().find("In full."), std::string::npos);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/task/complete", R"({"outcome":"failure"})").status, 400);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/task/fail", "{}").status, 400);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/task/complete", R"({"handoff":{"done":"x"}})").status, 400);
  auto accepted =
      RawClient(room).ask("POST", "/self/task/complete",
                          R"({"outcome":"partial","handoff":{"attempted":"a","next":"n"},"artifacts":["x.md"]})");
  EXPECT_EQ(accepted.status, 200) << accepted.body;
  const Verdict& verdict = supervisor->verdicts.begin()->second;
  EXPECT_EQ(verdict.word, Verdict::Word::kComplete);
  EXPECT_EQ(verdict.outcome, "partial");
  EXPECT_EQ(verdict.handoff.next, "n");
  EXPECT_EQ(verdict.artifacts, std::vector<std::string>{"x.md"});
  EXPECT_EQ(RawClient(room).ask("POST", "/self/task/complete", "{}").status, 409);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/heartbeat").status, 200);
  EXPECT_EQ(supervisor->heartbeats, 1);
}

TEST_F(Gateways, MailsAndLogsAsItself) {
  auto room = openRoom("maker.aaaaaa", "capabilities: [message.send]\n");
  auto sent = RawClient(room).ask("POST", "/self/mail", R"({"to":"steward","subject":"Done","body":"See there."})");
  ASSERT_EQ(sent.status, 200) << sent.body;
  auto mail = loop.run([&] { return must(company::readInbox(*company, "steward")); });
  ASSERT_EQ(mail.size(), 1U);
  EXPECT_EQ(mail[0].from, "maker");
  EXPECT_EQ(RawClient(room).ask("POST", "/self/mail", R"({"to":"../../evil","subject":"x"})").status, 400);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/mail", R"({"to":"steward","subject":"x","from":"human"})").status, 400);
  EXPECT_EQ(RawClient(room).ask("POST", "/self/log", R"({"text":"half way","fields":{"step":2}})").status, 200);
  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(root + "/company/agents/logs/maker"))
    file = entry.path();
  std::ifstream log(file);
  std::string line;
  std::getline(log, line);
  EXPECT_EQ(parseJson(line).value()["text"], "half way");
  EXPECT_EQ(RawClient(room).ask("POST", "/self/log", R"({"text":")" + std::string(20000, 'x') + "\"}").status, 413);
  auto mute = openRoom("mute.bbbbbb", "capabilities: [fs.read]\n");
  auto denied = RawClient(mute).ask("POST", "/self/mail", R"({"to":"steward","subject":"x"})");
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.json()["remedy"], "add it to capabilities");
  EXPECT_EQ(ask("GET", "/v1/audit?kind=denied").json()["items"][0]["instance"], "mute.bbbbbb");
}

// A room that asks without end for what it may not have is refused each time, and does not fill the audit log.
TEST_F(Gateways, RefusalsWithoutEndAreToldToAnEnd) {
  auto mute = openRoom("mute.bbbbbb", "capabilities: [fs.read]\n");
  for (int i = 0; i < 130; ++i)
    ASSERT_EQ(RawClient(mute).ask("POST", "/self/mail", R"({"to":"steward","subject":"x"})").status, 403) << i;
  EXPECT_EQ(ask("GET", "/v1/audit?kind=denied&limit=1000").json()["items"].size(), 100U);
}

TEST_F(Gateways, HasNoWayOut) {
  auto room = openRoom("maker.aaaaaa");
  for (std::string request : {"CONNECT api.github.com:443 HTTP/1.1\r\nHost: api.github.com:443\r\n\r\n",
                              "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n"}) {
    RawClient client(room + ".proxy");
    client.send(request);
    auto answer = client.readAnswer();
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.json()["code"], "denied");
  }
}

TEST_F(Gateways, ARunThatIsOverIsServedNothing) {
  auto room = openRoom("maker.aaaaaa");
  RawClient client(room);
  EXPECT_EQ(client.ask("GET", "/self").status, 200);
  loop.run([&] {
    supervisor->rooms.clear();
    return 0;
  });
  EXPECT_EQ(client.ask("GET", "/self").status, 503);
  EXPECT_EQ(client.ask("POST", "/v1/chat/completions", dumpJson(chat("test/good", false))).status, 503);
}

TEST_F(Gateways, ARoomsConnectionsAreBounded) {
  auto room = openRoom("maker.aaaaaa");
  std::vector<std::unique_ptr<RawClient>> calls;
  std::string body = dumpJson(chat("test/hang", true));
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::make_unique<RawClient>(room));
    calls.back()->send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body);
    ASSERT_TRUE(calls.back()->receiveUntil("hello "));
  }
  EXPECT_EQ(RawClient(room).ask("GET", "/self").status, 503);
  EXPECT_EQ(ask("GET", "/v1/system").status, 200);  // nobody else notices
}

}  // namespace
}  // namespace agentos::agentd::test
