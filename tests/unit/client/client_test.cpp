// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "fake_server.h"

namespace agentos::client {
namespace {

using testing::Answer;
using testing::Asked;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentos-client-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    server_ = std::make_unique<testing::FakeServer>(directory_ + "/s");
    client_ = std::make_unique<Client>(directory_ + "/s");
  }
  ~ClientTest() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string directory_;
  std::unique_ptr<testing::FakeServer> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, GetsJson) {
  server_->on("GET /v1/x", {.body = R"({"a":1})"});
  auto value = client_->call({.path = "/v1/x"});
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ((*value)["a"], 1);
  EXPECT_EQ(server_->last().headers.at("accept"), "application/json");
}

TEST_F(ClientTest, AnEmptyAnswerIsNull) {
  server_->on("POST /v1/x", {.status = 204});
  auto value = client_->call({.method = "POST", .path = "/v1/x"});
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_TRUE(value->is_null());
}

TEST_F(ClientTest, SendsBodyAndKey) {
  server_->on("POST /v1/x", {.status = 201, .body = "{}"});
  ASSERT_TRUE(client_->call({.method = "POST", .path = "/v1/x", .body = Json{{"k", "ü"}}, .idempotencyKey = "key-1"}));
  EXPECT_EQ(server_->last().body, "{\"k\":\"ü\"}");
  EXPECT_EQ(server_->last().headers.at("idempotency-key"), "key-1");
  EXPECT_EQ(server_->last().headers.at("content-type"), "application/json");
}

TEST_F(ClientTest, EscapesPathAndQuery) {
  EXPECT_EQ(pathOf("/v1/agents", {"a b/c?d", "inspect"}), "/v1/agents/a%20b%2Fc%3Fd/inspect");
  EXPECT_EQ(pathOf("/v1/agents", {".."}), "/v1/agents/%2E.");
  server_->on("GET /v1/x", {.body = "{}"});
  ASSERT_TRUE(client_->call({.path = "/v1/x", .query = {{"kind", "task.*&a=b"}, {"empty", ""}}}));
  EXPECT_EQ(server_->last().target, "/v1/x?kind=task.%2A%26a%3Db");
}

TEST_F(ClientTest, AProblemDocumentIsAnError) {
  server_->on("GET /v1/x", testing::problem(409, "contract.unmet", "no memory controller", "mount it"));
  auto value = client_->call({.path = "/v1/x"});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kContractUnmet);
  EXPECT_EQ(value.error().message(), "no memory controller; mount it");
}

Answer starting(int retryAfter) {
  auto answer = testing::problem(503, "unavailable", "who runs is not known yet: agentd is starting");
  answer.retryAfter = retryAfter;
  return answer;
}

TEST_F(ClientTest, ADaemonThatIsStartingIsAskedAgain) {
  server_->on("GET /v1/x", [](const Asked&, int before) { return before < 2 ? starting(1) : Answer{.body = "[1]"}; });
  auto value = client_->call({.path = "/v1/x"});
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(server_->asked().size(), 3U);
  std::string seen;
  server_->on("GET /v1/stream",
              [](const Asked&, int before) { return before < 1 ? starting(1) : Answer{.body = "line"}; });
  ASSERT_TRUE(client_->stream({.path = "/v1/stream"}, [&](std::string_view bytes) { return seen += bytes, true; }));
  EXPECT_EQ(seen, "line");
}

TEST_F(ClientTest, NotForeverAndNotBeyondTheTimeout) {
  server_->on("GET /v1/x", starting(1));
  const auto began = std::chrono::steady_clock::now();
  auto value = client_->call({.path = "/v1/x", .timeout = std::chrono::milliseconds(500)});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(value.error().message(), HasSubstr("agentd is starting"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  EXPECT_GE(server_->asked().size(), 2U);
}

TEST_F(ClientTest, ARefusalThatDoesNotSayRetryAfterIsNotAskedAgain) {
  server_->on("GET /v1/x", starting(0));
  EXPECT_FALSE(client_->call({.path = "/v1/x"}));
  EXPECT_EQ(server_->asked().size(), 1U);
}

TEST_F(ClientTest, AnAnswerThatWasLostIsAskedForAgainWithTheSameKey) {
  server_->on("POST /v1/x", [](const Asked&, int before) {
    return before < 2 ? Answer{.cut = true} : Answer{.body = "{\"ok\":true}"};
  });
  auto value = client_->call({.method = "POST", .path = "/v1/x"});
  ASSERT_TRUE(value) << value.error().message();
  auto asked = server_->asked();
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_FALSE(asked[0].headers.at("idempotency-key").empty());
  EXPECT_EQ(asked[0].headers.at("idempotency-key"), asked[2].headers.at("idempotency-key"));
}

TEST_F(ClientTest, ADaemonThatAlwaysHangsUpIsUnreachable) {
  server_->on("GET /v1/x", {.cut = true});
  EXPECT_EQ(client_->call({.path = "/v1/x"}).error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(server_->asked().size(), 3U);
}

TEST_F(ClientTest, TimesOut) {
  server_->on("GET /v1/x", {.body = "{}", .delayMs = 2000});
  auto value = client_->call({.path = "/v1/x", .timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kTimedOut);
  EXPECT_THAT(value.error().message(), HasSubstr("50 ms"));
}

TEST_F(ClientTest, GarbageForJsonIsNamed) {
  server_->on("GET /v1/x", {.body = "<html>"});
  auto value = client_->call({.path = "/v1/x"});
  ASSERT_FALSE(value);
  EXPECT_THAT(value.error().message(), HasSubstr("GET /v1/x"));
}

TEST_F(ClientTest, FollowsThePagesOfAList) {
  server_->on("GET /v1/x", [](const Asked& asked, int) {
    if (asked.target == "/v1/x?all=1") return Answer{.body = R"({"items":[1,2],"next":"b"})"};
    if (asked.target == "/v1/x?all=1&after=b") return Answer{.body = R"({"items":[3],"next":"c"})"};
    return Answer{.body = R"({"items":[4],"next":null})"};
  });
  auto items = client_->list({.path = "/v1/x", .query = {{"all", "1"}}});
  ASSERT_TRUE(items) << items.error().message();
  EXPECT_EQ(items->dump(), "[1,2,3,4]");
  EXPECT_EQ(server_->last().target, "/v1/x?all=1&after=c");
}

TEST_F(ClientTest, StreamsAndStops) {
  server_->on("GET /v1/x", {.contentType = "text/plain", .chunks = {"one\n", "two\n", "three\n"}});
  std::string all;
  ASSERT_TRUE(client_->stream({.path = "/v1/x"}, [&](std::string_view bytes) { return all += bytes, true; }));
  EXPECT_EQ(all, "one\ntwo\nthree\n");
  all.clear();
  ASSERT_TRUE(client_->stream({.path = "/v1/x"}, [&](std::string_view bytes) { return all += bytes, false; }));
  EXPECT_TRUE(all.starts_with("one\n"));
}

TEST_F(ClientTest, AStreamThatBreaksIsNoGoodEnd) {
  server_->on("GET /v1/x", {.contentType = "text/plain", .chunks = {"one\n"}, .cut = true});
  std::string all;
  auto ended = client_->stream({.path = "/v1/x"}, [&](std::string_view bytes) { return all += bytes, true; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(all, "one\n");
}

TEST_F(ClientTest, AStreamThatIsRefusedGivesTheProblem) {
  server_->on("GET /v1/x", testing::problem(404, "not_found", "no agent \"x\""));
  bool called = false;
  auto ended = client_->stream({.path = "/v1/x"}, [&](std::string_view) { return called = true; });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(called);
}

TEST_F(ClientTest, EventsWithTheirIds) {
  server_->on("GET /v1/events",
              {.contentType = "text/event-stream",
               .chunks = {": hello\n\nid: 7\nevent: a\ndata: {}\n", "\nid: 8\nevent: b\nda", "ta: x\ndata: y\n\n"}});
  std::vector<ServerEvent> seen;
  ASSERT_TRUE(client_->events({.path = "/v1/events", .lastEventId = "6"},
                              [&](const ServerEvent& event) { return seen.push_back(event), true; }));
  EXPECT_EQ(server_->last().headers.at("last-event-id"), "6");
  EXPECT_EQ(server_->last().headers.at("accept"), "text/event-stream");
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].id + seen[0].kind + seen[0].data, "7a{}");
  EXPECT_EQ(seen[1].id + seen[1].kind + seen[1].data, "8bx\ny");
}

TEST_F(ClientTest, NoSocketSaysHowToStart) {
  Client nobody(directory_ + "/none");
  auto value = nobody.call({.path = "/v1/x"});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kUnreachable);
  EXPECT_THAT(value.error().message(), HasSubstr("systemctl start agentd"));
  EXPECT_THAT(value.error().message(), HasSubstr(directory_ + "/none"));
}

TEST_F(ClientTest, ASocketThatMayNotBeUsedNamesTheGroup) {
  std::filesystem::permissions(directory_ + "/s", std::filesystem::perms::none);
  pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && (::chmod(directory_.c_str(), 0755) != 0 || ::setresuid(65534, 65534, 65534) != 0))
      ::_exit(2);
    Client other(directory_ + "/s");
    auto value = other.call({.path = "/v1/x"});
    bool right =
        !value && value.error().code == ErrorCode::kDenied && value.error().message().contains("usermod -aG agentd");
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(ClientTest, ATooLongSocketPathIsTheCallersError) {
  Client client(std::string(200, 'x'));
  EXPECT_EQ(client.call({.path = "/"}).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace agentos::client
