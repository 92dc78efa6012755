// SPDX-License-Identifier: Apache-2.0
// The API over its socket: every route, roles, idempotency, events, logs.
#include <sys/syscall.h>

#include <future>
#include <regex>
#include <sstream>
#include <thread>

#include "world.h"

namespace agentos::agentd::test {
namespace {

using namespace std::chrono_literals;

class Api : public World {};

const char* const kContract = "apiVersion: agentos/v0.2\nkind: AgentContract\nname: helper\n";

TEST_F(Api, SpawnsShowsAndChangesInstances) {
  auto created = ask("POST", "/v1/agents", {{"contract", kContract}, {"source", "helper.yaml"}, {"class", "SRT"}});
  ASSERT_EQ(created.status, 201) << created.body;
  std::string id = created.json()["id"];
  EXPECT_EQ(created.header("location"), "/v1/agents/" + id);
  EXPECT_EQ(supervisor->spawned.back().actor, "uid:" + std::to_string(::getuid()));
  EXPECT_EQ(supervisor->spawned.back().latency, contract::LatencyClass::kSrt);
  EXPECT_EQ(supervisor->spawned.back().trace.size(), 32U);
  EXPECT_EQ(ask("GET", "/v1/agents").json()["items"].size(), 1U);
  EXPECT_EQ(ask("GET", "/v1/agents/" + id).json()["state"], "running");
  EXPECT_EQ(ask("POST", "/v1/agents/" + id + "/pause", Json::object()).json()["state"], "paused");
  EXPECT_EQ(ask("POST", "/v1/agents/" + id + "/resume").json()["state"], "running");
  auto inspected = ask("GET", "/v1/agents/" + id + "/inspect").json();
  EXPECT_EQ(inspected["contract"]["name"], "helper");
  EXPECT_EQ(inspected["processes"], Json({41, 42}));
  auto restarted = ask("POST", "/v1/agents/" + id + "/restart", {{"grace", "3s"}});
  ASSERT_EQ(restarted.status, 201) << restarted.body;
  EXPECT_NE(restarted.json()["id"], id);
  EXPECT_EQ(supervisor->lastGrace, Nanoseconds(3s));
  EXPECT_EQ(ask("GET", "/v1/agents/" + id).json()["state"], "exited");
  EXPECT_EQ(ask("GET", "/v1/agents").json()["items"].size(), 1U);
  EXPECT_EQ(ask("GET", "/v1/agents?all=1").json()["items"].size(), 2U);
  EXPECT_EQ(
      ask("POST", "/v1/agents/" + restarted.json()["id"].get<std::string>() + "/kill", {{"signal", "SIGHUP"}}).status,
      200);
  EXPECT_EQ(supervisor->lastSignal, 1);
}

TEST_F(Api, TellsEveryFaultOfAContract) {
  auto refused = ask(
      "POST", "/v1/agents",
      {{"contract", "apiVersion: agentos/v0.2\nkind: AgentContract\nname: x\ncompute: { mem: 5 parsecs }\nbudgte: 1\n"},
       {"source", "bad.yaml"}});
  EXPECT_EQ(refused.status, 422) << refused.body;
  EXPECT_EQ(refused.header("content-type"), "application/problem+json");
  auto problem = refused.json();
  ASSERT_EQ(problem["errors"].size(), 2U) << refused.body;
  EXPECT_EQ(problem["errors"][0]["file"], "bad.yaml");
  EXPECT_GT(problem["errors"][0]["line"], 1);
  supervisor->refuseSpawn = "compute.mem: 4GiB is not to be had";
  auto unmet = ask("POST", "/v1/agents", {{"contract", kContract}});
  EXPECT_EQ(unmet.status, 409);
  EXPECT_EQ(unmet.json()["code"], "contract.unmet");
  EXPECT_EQ(unmet.json()["remedy"], "ask for less");
}

TEST_F(Api, BadInputIsAProblemWithItsRemedy) {
  loop.run([&] {
    supervisor->add("maker.aaaaaa", State::kRunning);
    return 0;
  });
  struct Bad {
    const char *method, *target, *body;
    int status;
  };
  for (const Bad& bad : {Bad{"POST", "/v1/agents", "{", 400},
                         {"POST", "/v1/agents", "[]", 400},
                         {"POST", "/v1/agents", "{}", 400},
                         {"POST", "/v1/agents", R"({"contract":5})", 400},
                         {"POST", "/v1/agents", R"({"contract":"x","class":"FAST"})", 400},
                         {"POST", "/v1/agents", R"({"contract":"x","name":"../etc"})", 400},
                         {"GET", "/v1/agents/nobody", "", 404},
                         {"POST", "/v1/agents/maker/stop", R"({"grace":"soon"})", 400},
                         {"POST", "/v1/agents/maker/kill", R"({"signal":99})", 400},
                         {"POST", "/v1/agents/maker/pause", R"({"grcae":"1s"})", 400},
                         {"GET", "/v1/agents?limit=0", "", 400},
                         {"GET", "/v1/agents?limit=x", "", 400},
                         {"GET", "/v1/agents?all=maybe", "", 400},
                         {"GET", "/v1/tasks?status=lost", "", 400},
                         {"GET", "/v1/tasks/task-1", "", 400},
                         {"GET", "/v1/tasks/task-2026-0101-001", "", 404},
                         {"POST", "/v1/tasks", R"({"title":""})", 400},
                         {"POST", "/v1/tasks", R"({"title":"x","priority":"urgent"})", 400},
                         {"POST", "/v1/tasks", R"({"title":"x","attempts":0})", 400},
                         {"POST", "/v1/messages", R"({"to":"../../../evil","subject":"x"})", 400},
                         {"GET", "/v1/contracts/none", "", 404},
                         {"POST", "/v1/cycles/none/hold", "", 404},
                         {"GET", "/v1/costs?by=moon", "", 400},
                         {"GET", "/v1/audit?since=soon", "", 400},
                         {"GET", "/v1/audit?limit=0", "", 400},
                         {"GET", "/v1/events?after=x", "", 400},
                         {"GET", "/v1/agents/maker/wait?timeout=5", "", 400},
                         {"GET", "/v1/agents/maker/logs", "", 404},
                         {"GET", "/v2", "", 404},
                         {"PUT", "/v1/tasks", "", 405}}) {
    auto answer = RawClient(socket).ask(bad.method, bad.target, bad.body);
    EXPECT_EQ(answer.status, bad.status) << bad.method << " " << bad.target << " " << bad.body << ": " << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/problem+json") << bad.target;
    EXPECT_FALSE(answer.json().value("remedy", "").empty() && bad.status == 400) << bad.target << ": " << answer.body;
  }
  EXPECT_FALSE(std::filesystem::exists(root + "/evil"));
}

TEST_F(Api, WaitsUntilTheEndOrTheTimeout) {
  loop.run([&] {
    supervisor->add("maker.aaaaaa", State::kRunning);
    return 0;
  });
  EXPECT_EQ(ask("GET", "/v1/agents/maker.aaaaaa/wait?timeout=50ms").status, 504);
  auto waiting = std::async(std::launch::async, [&] { return ask("GET", "/v1/agents/maker.aaaaaa/wait?timeout=10s"); });
  EXPECT_TRUE(eventually([&] { return supervisor->waiting == 1; }));
  EXPECT_EQ(ask("POST", "/v1/agents/maker.aaaaaa/stop").status, 200);
  EXPECT_EQ(waiting.get().json()["state"], "exited");
  loop.run([&] {
    supervisor->add("maker.bbbbbb", State::kRunning);
    return 0;
  });
  {
    RawClient client(socket);
    client.send("GET /v1/agents/maker.bbbbbb/wait HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return supervisor->waiting == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return supervisor->waiting == 0; }));  // nobody waits for a client that is gone
}

TEST_F(Api, PagesLists) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("POST", "/v1/tasks", {{"title", "task " + std::to_string(i)}}).status, 201);
  std::vector<std::string> ids;
  std::string after;
  for (int pages = 0; pages < 10; ++pages) {
    auto page = ask("GET", "/v1/tasks?limit=2&after=" + after).json();
    for (const auto& item : page["items"]) ids.push_back(item["id"]);
    if (page["next"].is_null()) break;
    after = page["next"];
  }
  EXPECT_EQ(ids.size(), 5U);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 5U);
}

TEST_F(Api, WorksTheQueue) {
  auto id =
      ask("POST", "/v1/tasks", {{"title", "Build"}, {"priority", "high"}, {"backlog", true}, {"body", "All of it."}})
          .json()["id"]
          .get<std::string>();
  EXPECT_EQ(ask("GET", "/v1/tasks/" + id).json()["status"], "backlog");
  EXPECT_EQ(ask("POST", "/v1/tasks/" + id + "/demote").json()["code"], "task.wrong_state");
  EXPECT_EQ(ask("POST", "/v1/tasks/" + id + "/promote").json()["status"], "queued");
  EXPECT_EQ(ask("POST", "/v1/tasks/" + id + "/promote").status, 409);
  EXPECT_EQ(ask("GET", "/v1/tasks?status=queued").json()["items"][0]["title"], "Build");
  auto declined = ask("POST", "/v1/tasks/" + id + "/decline", {{"reason", "not ours"}});
  EXPECT_EQ(declined.json()["status"], "declined") << declined.body;
  EXPECT_TRUE(std::filesystem::exists(root + "/company/agents/tasks/declined/" + id + ".md"));
  EXPECT_EQ(ask("POST", "/v1/messages", {{"to", "maker"}, {"subject", "Hello"}, {"body", "there"}}).status, 201);
  auto mail = ask("GET", "/v1/messages/maker").json();
  ASSERT_EQ(mail["items"].size(), 1U);
  EXPECT_EQ(mail["items"][0]["from"], "human");
  EXPECT_EQ(mail["items"][0]["subject"], "Hello");
}

// ---- idempotency

TEST_F(Api, AKeyMakesAChangeOnce) {
  Json task{{"title", "once"}};
  auto first = ask("POST", "/v1/tasks", task, "Idempotency-Key: k1\r\n");
  auto second = ask("POST", "/v1/tasks", task, "Idempotency-Key: k1\r\n");
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(second.status, 201);
  EXPECT_EQ(first.body, second.body);
  EXPECT_EQ(second.header("idempotency-replayed"), "true");
  EXPECT_EQ(ask("GET", "/v1/tasks").json()["items"].size(), 1U);
  EXPECT_EQ(ask("POST", "/v1/tasks", {{"title", "other"}}, "Idempotency-Key: k1\r\n").status, 422);
  EXPECT_EQ(ask("POST", "/v1/tasks", task, "Idempotency-Key: k2\r\n").status, 201);
  EXPECT_EQ(ask("GET", "/v1/tasks").json()["items"].size(), 2U);
  EXPECT_EQ(ask("POST", "/v1/tasks", task, "Idempotency-Key: " + std::string(300, 'k') + "\r\n").status, 400);
}

TEST_F(Api, AFailureLeavesTheKeyFree) {
  supervisor->refuseSpawn = "not now";
  Json spawn{{"contract", kContract}};
  EXPECT_EQ(ask("POST", "/v1/agents", spawn, "Idempotency-Key: k\r\n").status, 409);
  supervisor->refuseSpawn.clear();
  EXPECT_EQ(ask("POST", "/v1/agents", spawn, "Idempotency-Key: k\r\n").status, 201);
}

TEST_F(Api, TheSameKeyTwiceAtOnceIsDoneOnce) {
  supervisor->spawnTakes = 300ms;
  Json spawn{{"contract", kContract}};
  auto first =
      std::async(std::launch::async, [&] { return ask("POST", "/v1/agents", spawn, "Idempotency-Key: k\r\n"); });
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(ask("POST", "/v1/agents", spawn, "Idempotency-Key: k\r\n").status, 409);
  EXPECT_EQ(first.get().status, 201);
  EXPECT_EQ(ask("POST", "/v1/agents", spawn, "Idempotency-Key: k\r\n").status, 201);
  EXPECT_EQ(supervisor->spawned.size(), 1U);
}

TEST_F(Api, AKeySurvivesARestart) {
  Json task{{"title", "once"}};
  auto first = ask("POST", "/v1/tasks", task, "Idempotency-Key: k1\r\n");
  // What a daemon that was killed in the middle of its work leaves behind.
  loop.run([&] {
    return db
        ->execute(
            "INSERT INTO http_answers(actor, key, digest, process, created) SELECT actor, 'k2', digest, 'earlier', "
            "created FROM http_answers")
        .has_value();
  });
  loop.await(api->close());
  loop.run([&] {
    api.reset();
    makeApi();
    return 0;
  });
  EXPECT_EQ(ask("POST", "/v1/tasks", task, "Idempotency-Key: k1\r\n").body, first.body);
  auto unknown = ask("POST", "/v1/tasks", task, "Idempotency-Key: k2\r\n");
  EXPECT_EQ(unknown.status, 409);
  EXPECT_NE(unknown.body.find("restarted"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/tasks").json()["items"].size(), 1U);
}

// ---- roles

// Connects and asks as somebody else: credentials are a thread's own to the kernel, and SO_PEERCRED is the connector's.
RawAnswer askAs(uid_t uid, gid_t gid, std::vector<gid_t> groups, const std::string& socket, const std::string& method,
                const std::string& target, const std::string& body = "") {
  RawAnswer answer;
  std::thread([&] {
    if (::syscall(SYS_setgroups, groups.size(), groups.data()) != 0 || ::syscall(SYS_setresgid, gid, gid, gid) != 0 ||
        ::syscall(SYS_setresuid, uid, uid, uid) != 0) {
      return;
    }
    answer = RawClient(socket).ask(method, target, body);
  }).join();
  return answer;
}

TEST_F(Api, RolesComeFromTheKernel) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to take other uids on";
  loop.run([&] {
    supervisor->add("maker.aaaaaa", State::kRunning);
    return 0;
  });
  std::filesystem::permissions(root, std::filesystem::perms::all);
  auto as = [&](gid_t gid, std::vector<gid_t> groups, const std::string& method, const std::string& target,
                const std::string& body = "") {
    return askAs(54321, gid, std::move(groups), socket, method, target, body);
  };
  auto stranger = as(54321, {}, "GET", "/v1/agents");
  EXPECT_EQ(stranger.status, 403);
  EXPECT_NE(stranger.body.find("agentd"), std::string::npos);
  EXPECT_EQ(as(54321, {}, "GET", "/nothing").status, 403);  // nor is it told what there is not
  EXPECT_EQ(as(54321, {}, "GET", "/healthz").status, 200);
  EXPECT_EQ(as(54321, {4201}, "GET", "/v1/agents").status, 200);
  EXPECT_EQ(as(4201, {}, "POST", "/v1/tasks", R"({"title":"mine"})").status, 201);
  auto member = as(54321, {4201}, "POST", "/v1/agents/maker/stop");
  EXPECT_EQ(member.status, 403);
  EXPECT_NE(member.json()["remedy"].get<std::string>().find("agentd-admin"), std::string::npos);
  EXPECT_EQ(loop.run([&] { return supervisor->views.begin()->second.state; }), State::kRunning);
  EXPECT_EQ(as(54321, {4200}, "POST", "/v1/agents/maker/stop").status, 200);
  EXPECT_EQ(supervisor->lastActor, "uid:54321");
  auto denials = ask("GET", "/v1/audit?kind=denied").json()["items"];
  ASSERT_EQ(denials.size(), 3U);
  EXPECT_EQ(denials[0]["actor"], "uid:54321");
}

TEST_F(Api, TcpNeedsTheToken) {
  Fd listener = must(listenTcp("127.0.0.1:0"));
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(listener.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), &size);
  loop.run([&] {
    api->listen(std::move(listener));
    return 0;
  });
  auto over = [&](const std::string& headers) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), size), 0);
    return RawClient(std::move(fd)).ask("GET", "/v1/agents", "", headers);
  };
  EXPECT_EQ(over("").status, 401);
  EXPECT_EQ(over("").header("www-authenticate"), "Bearer realm=\"agentd\"");
  EXPECT_EQ(over("Authorization: Bearer secre\r\n").status, 401);
  EXPECT_EQ(over("Authorization: Bearer secret\r\n").status, 200);
}

// ---- events

TEST_F(Api, EventsFlowAndResume) {
  must(record("one"));
  auto second = must(record("two"));
  RawClient client(socket);
  client.send("GET /v1/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1\r\n\r\n");
  EXPECT_TRUE(client.receiveUntil("text/event-stream"));
  EXPECT_TRUE(client.receiveUntil("id: 2\nevent: two\ndata: "));
  std::string data;
  EXPECT_TRUE(client.receiveUntil("\n\n", &data));
  EXPECT_EQ(parseJson(std::string_view(data).substr(0, data.size() - 2)).value()["hash"], second.hash);
  must(record("three"));
  EXPECT_TRUE(client.receiveUntil("id: 3\nevent: three\n"));
  client.hangUp();
  loop.run([&] {
    for (int i = 0; i < 1500; ++i)
      must(events->note({.kind = "many",
                         .actor = {},
                         .agent = {},
                         .instance = {},
                         .task = {},
                         .contract = {},
                         .trace = {},
                         .data = Json::object()}));
    return 0;
  });
  RawClient again(socket);
  again.send("GET /v1/events?follow=0&kind=many HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 3\r\n\r\n");
  auto answer = again.readAnswer();
  EXPECT_TRUE(answer.whole);
  int count = 0;
  std::uint64_t expected = 4;
  for (std::size_t at = answer.body.find("id: "); at != std::string::npos;
       at = answer.body.find("\nid: ", at + 1), ++count) {
    EXPECT_EQ(std::stoull(answer.body.substr(answer.body[at] == '\n' ? at + 5 : at + 4)), expected++);
  }
  EXPECT_EQ(count, 1500);
}

// Events that happen while the files are replayed come once, in order, and none is lost.
TEST_F(Api, NothingFallsBetweenReplayAndLife) {
  loop.run([&] {
    for (int i = 0; i < 600; ++i)
      must(events->note({.kind = "before",
                         .actor = {},
                         .agent = {},
                         .instance = {},
                         .task = {},
                         .contract = {},
                         .trace = {},
                         .data = Json::object()}));
    return 0;
  });
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; i < 100 && !stop; ++i) must(record("during"));
  });
  RawClient client(socket);
  client.send("GET /v1/events?after=0 HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 1; i <= 700; ++i) {
    std::string taken;
    ASSERT_TRUE(client.receiveUntil("\nevent: ", &taken)) << i;
    auto at = taken.rfind("id: ");
    ASSERT_EQ(std::stoi(taken.substr(at + 4)), i);
  }
  stop = true;
  writer.join();
}

TEST_F(Api, EventFiltersAndASlowReaderIsCut) {
  RawClient client(socket);
  client.send("GET /v1/events?kind=task.* HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.receiveUntil(": audit sequence"));
  must(record("instance.started"));
  must(record("task.claimed"));
  std::string taken;
  EXPECT_TRUE(client.receiveUntil("task.claimed", &taken));
  EXPECT_EQ(taken.find("instance.started"), std::string::npos);
  client.hangUp();

  RawClient slow(socket);
  slow.send("GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(slow.receiveUntil(": audit sequence"));
  loop.run([&] {
    for (int i = 0; i < 5000; ++i)
      must(events->note({.kind = "flood",
                         .actor = std::string(500, 'x'),
                         .agent = {},
                         .instance = {},
                         .task = {},
                         .contract = {},
                         .trace = {},
                         .data = Json::object()}));
    return 0;
  });
  while (slow.receive()) {
  }
  EXPECT_TRUE(slow.ended());
  EXPECT_EQ(ask("GET", "/v1/system").status, 200);
}

// ---- logs

TEST_F(Api, ShowsAndFollowsLogs) {
  loop.run([&] {
    supervisor->add("maker.aaaaaa", State::kRunning);
    return 0;
  });
  std::filesystem::create_directory(root + "/log/maker.aaaaaa");
  std::ofstream log(root + "/log/maker.aaaaaa/output.log");
  for (int i = 1; i <= 5; ++i) log << "2026-11-20T14:03:0" << i << ".000Z stdout F line " << i << "\n";
  log << "2026-11-20T14:03:06.000Z stderr F oh\n" << std::flush;
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs").body, "line 1\nline 2\nline 3\nline 4\nline 5\noh\n");
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?tail=2").body, "line 5\noh\n");
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?since=2026-11-20T14:03:05Z").body, "line 5\noh\n");
  auto frames = ask("GET", "/v1/agents/maker/logs?tail=1", nullptr, "Accept: application/x-ndjson\r\n");
  EXPECT_EQ(parseJson(frames.body.substr(0, frames.body.size() - 1)).value(),
            (Json{{"kind", "output"}, {"time", "2026-11-20T14:03:06.000Z"}, {"stream", "stderr"}, {"text", "oh"}}));
  std::size_t before = openDescriptors();
  {
    RawClient client(socket);
    client.send("GET /v1/agents/maker/logs?follow=1&tail=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(client.receiveUntil("oh\n"));
    auto written = std::chrono::steady_clock::now();
    log << "2026-11-20T14:03:07.000Z stdout F later\n" << std::flush;
    EXPECT_TRUE(client.receiveUntil("later\n"));
    EXPECT_LT(std::chrono::steady_clock::now() - written, 800ms);
    log << "2026-11-20T14:03:08.000Z stdout F last words\n" << std::flush;
    EXPECT_EQ(ask("POST", "/v1/agents/maker/stop").status, 200);
    EXPECT_TRUE(client.receiveUntil("last words\n"));
    EXPECT_TRUE(client.receiveUntil("0\r\n\r\n"));  // it ends when the instance has
  }
  EXPECT_TRUE(eventually([&] { return openDescriptors() <= before; }));
}

// An instance that printed something between two events, and another's event that is not to be seen.
class MergedLogs : public World {
 protected:
  MergedLogs() {
    loop.run([&] {
      supervisor->add("maker.aaaaaa", State::kRunning).created = Timestamp{};
      return 0;
    });
    std::filesystem::create_directory(root + "/log/maker.aaaaaa");
    log.open(root + "/log/maker.aaaaaa/output.log", std::ios::app);
    note("instance.started", "maker.aaaaaa", {{"pid", 7}});
    print("one");
    note("task.claimed", "maker.aaaaaa");
    note("instance.started", "other.bbbbbb");
    print("two");
    note("cycle.held", "");
  }
  void print(const std::string& text) {
    std::this_thread::sleep_for(2ms);
    log << formatUtc(clock.now()) << " stdout F " << text << "\n" << std::flush;
    std::this_thread::sleep_for(2ms);
  }
  govern::AuditEntry note(const std::string& kind, const std::string& instance, Json data = Json::object()) {
    return loop.run([&] {
      govern::AuditEvent event{.kind = kind, .actor = "agentd", .agent = instance.substr(0, instance.find('.'))};
      if (instance.empty()) event.agent = "maker";
      event.instance = instance;
      event.data = std::move(data);
      return must(events->record(std::move(event)));
    });
  }
  // "event" kinds and output texts, in the order they came.
  std::vector<std::string> told(const std::string& query) {
    auto answer = ask("GET", "/v1/agents/maker" + query, nullptr, "Accept: application/x-ndjson\r\n");
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::string> lines;
    std::istringstream text(answer.body);
    for (std::string line; std::getline(text, line);) {
      auto json = parseJson(line).value();
      lines.push_back(json["kind"] == "event" ? json["event"] : json["text"]);
    }
    return lines;
  }
  using Lines = std::vector<std::string>;
  std::ofstream log;
};

TEST_F(MergedLogs, OutputAndEventsInOneOrderOfTime) {
  EXPECT_EQ(told("/logs?show=all"), (Lines{"instance.started", "one", "task.claimed", "two", "cycle.held"}));
  EXPECT_EQ(told(".aaaaaa/logs?show=all"), (Lines{"instance.started", "one", "task.claimed", "two"}));
  EXPECT_EQ(told("/logs?show=events"), (Lines{"instance.started", "task.claimed", "cycle.held"}));
  EXPECT_EQ(told("/logs?show=output"), (Lines{"one", "two"}));
  EXPECT_EQ(told("/logs"), (Lines{"one", "two"}));
  EXPECT_EQ(told("/logs?show=all&tail=2"), (Lines{"two", "cycle.held"}));
  EXPECT_EQ(told("/logs?show=all&run=aaaaaa"), (Lines{"instance.started", "one", "task.claimed", "two"}));
  auto text = ask("GET", "/v1/agents/maker.aaaaaa/logs?show=all&tail=3").body;
  EXPECT_TRUE(std::regex_match(text, std::regex("one\n-- [-0-9T:.]+Z task.claimed maker.aaaaaa: claimed\ntwo\n")))
      << text;
}

TEST_F(MergedLogs, SinceIsExactAndAfterGoesOn) {
  std::this_thread::sleep_for(2ms);  // times are told in milliseconds: each of these has its own
  auto entry = note("instance.paused", "maker.aaaaaa");
  std::this_thread::sleep_for(2ms);
  print("three");
  auto at = formatUtc(entry.time);
  EXPECT_EQ(told("/logs?show=all&since=" + at), (Lines{"instance.paused", "three"}));
  auto later = formatUtc(entry.time + std::chrono::milliseconds(1));
  EXPECT_EQ(told("/logs?show=all&since=" + later), (Lines{"three"}));
  EXPECT_EQ(told("/logs?show=events&after=" + std::to_string(entry.sequence - 1)), (Lines{"instance.paused"}));
  EXPECT_EQ(told("/logs?show=events&after=" + std::to_string(entry.sequence)), Lines{});
  EXPECT_EQ(told("/logs?show=all&since=" + later + "&after=0").front(), "instance.started");
}

TEST_F(MergedLogs, FollowedUntilTheEndWasRecorded) {
  RawClient client(socket);
  client.send("GET /v1/agents/maker/logs?follow=1&show=all HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.receiveUntil("cycle.held"));
  print("three");
  EXPECT_TRUE(client.receiveUntil("three\n"));
  auto recorded = std::chrono::steady_clock::now();
  note("instance.paused", "maker.aaaaaa");
  EXPECT_TRUE(client.receiveUntil("instance.paused"));
  EXPECT_LT(std::chrono::steady_clock::now() - recorded, 800ms);
  EXPECT_EQ(ask("POST", "/v1/agents/maker/stop").status, 200);
  std::this_thread::sleep_for(100ms);  // the books are written after the state has changed
  note("instance.ended", "maker.aaaaaa", {{"reason", "exit status 0"}});
  EXPECT_TRUE(client.receiveUntil("ended: exit status 0"));
  EXPECT_TRUE(client.receiveUntil("0\r\n\r\n"));
}

TEST_F(MergedLogs, WhatWasRefusedHasEventsAndNoOutput) {
  loop.run([&] {
    supervisor->views.clear();
    return 0;
  });
  note("instance.refused", "", {{"reason", "no memory controller"}});
  auto lines = told("/logs?show=all");
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "instance.refused");
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs").status, 404);
  EXPECT_EQ(ask("GET", "/v1/agents/nobody/logs?show=all").status, 404);
}

TEST_F(MergedLogs, WrongQuestionsAreRefused) {
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?show=some").status, 400);
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?show=all&after=x").status, 400);
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?show=all&run=zzzzzz").status, 404);
  loop.run([&] {
    supervisor->add("other.bbbbbb", State::kRunning);
    return 0;
  });
  EXPECT_EQ(ask("GET", "/v1/agents/maker/logs?show=all&run=other.bbbbbb").status, 404);
}

TEST_F(MergedLogs, AnEventForgesNoLine) {
  note("task.failed", "maker.aaaaaa", {{"detail", "x\n-- 2026-11-20T14:03:07.120Z instance.ended forged\x1b[2J"}});
  auto text = ask("GET", "/v1/agents/maker.aaaaaa/logs?show=events").body;
  EXPECT_EQ(text.find("\n-- 2026-11-20T14:03:07.120Z"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

// What the ledger knows is written again, whatever became of the files; what others wrote there stays.
TEST_F(Api, CostsAreExportedAndRebuilt) {
  const models::Account maker{"maker", "maker.aaaaaa", ""};
  loop.run([&] {
    const auto id = must(ledger->reserve(maker, {}, "test/good", MicroUsd{50}, 10));
    return must(ledger->settle(id, {10, 5, 0}, MicroUsd{42}, "ok")).id;
  });
  EXPECT_EQ(ask("POST", "/v1/costs/export").json()["written"], 1);
  const auto file = *std::filesystem::directory_iterator(root + "/company/finance/costs");
  const auto textOf = [](const std::string& path) {
    std::ifstream in(path);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  };
  const std::string before = textOf(file.path());
  std::ofstream(file.path()) << "{\"timestamp\":\"x\",\"agent\":\"human\",\"cost_usd\":3}\n";
  EXPECT_EQ(ask("POST", "/v1/costs/export").json()["written"], 0) << "it was written once";
  auto again = ask("POST", "/v1/costs/export", {{"rebuild", true}});
  EXPECT_EQ(again.json(), (Json{{"written", 1}, {"rebuilt", true}})) << again.body;
  EXPECT_NE(textOf(file.path()).find(before), std::string::npos);
  EXPECT_NE(textOf(file.path()).find("human"), std::string::npos);
  EXPECT_EQ(ask("POST", "/v1/costs/export", {{"rebuild", "yes"}}).status, 400);
}

TEST_F(Api, HealthReadinessMetrics) {
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  notReady = "recovering";
  auto waiting = ask("GET", "/readyz");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_NE(waiting.body.find("recovering"), std::string::npos);
  ask("POST", "/v1/tasks", {{"title", "x"}});
  auto metrics = ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("agentd_tasks{status=\"queued\"} 1\n"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("agentd_build_info{version=\"0.1.0\"} 1\n"), std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/audit/verify").json()["state"], "unanchored");
}

}  // namespace
}  // namespace agentos::agentd::test
