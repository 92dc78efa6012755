// SPDX-License-Identifier: Apache-2.0
// The driver against an endpoint that streams, stalls, dies and lies.
#include "models/openai_driver.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>

#include "fake_endpoint.h"
#include "models/chat.h"
#include "models/estimate.h"
#include "models/json_read.h"
#include "models/upstream.h"
#include "run_awaitable.h"

namespace agentos::models {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace asio = boost::asio;

constexpr const char* kWhole =
    R"({"id":"c1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}})";

std::string delta(const std::string& text, const char* finish = nullptr) {
  return dumpJson({{"id", "c1"},
                   {"choices", Json::array({{{"index", 0},
                                             {"delta", {{"content", text}}},
                                             {"finish_reason", finish ? Json(finish) : Json(nullptr)}}})}});
}
const std::string kUsage = R"({"id":"c1","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2}})";

void streamHello(FakeConnection& out, bool usage = true) {
  out.beginStream();
  out.event(delta("hel"));
  out.event(delta("lo"));
  out.event(delta("", "stop"));
  if (usage) out.event(kUsage);
  out.event("[DONE]");
  out.endStream();
}

class OpenAiDriverTest : public testing::Test {
 protected:
  void serve(FakeEndpoint::Handler handler) {
    endpoint = std::make_unique<FakeEndpoint>(std::move(handler));
    config.baseUrl = endpoint->url() + "/v1";
  }
  Result<ChatAnswer> ask(bool stream, std::size_t failAt = SIZE_MAX) {
    if (!driver) driver = *OpenAiDriver::open(context.get_executor(), config);
    return runAwaitable(context, driver->complete(request(stream), collect(failAt), used));
  }
  ChatRequest request(bool stream) {
    chunks.clear();
    used = {};
    return {.model = "up-model", .agent = "maker", .instance = {}, .body = body, .stream = stream, .timeout = timeout};
  }
  ChunkSink collect(std::size_t failAt = SIZE_MAX) {
    return [this, failAt](const Json& chunk) -> asio::awaitable<Result<void>> {
      if (chunks.size() >= failAt) co_return fail(ErrorCode::kIo, "client gone");
      chunks.push_back(chunk);
      co_return Result<void>();
    };
  }
  Json sent(std::size_t index = 0) { return *parseJson(endpoint->requests().at(index).body); }
  std::int64_t estimated() const { return inputTokensOf(body); }

  asio::io_context context;
  std::unique_ptr<FakeEndpoint> endpoint;
  OpenAiConfig config{.name = "local",
                      .baseUrl = {},
                      .apiKeyFile = {},
                      .models = {"local/up"},
                      .headers = {},
                      .firstByteTimeout = 400ms,
                      .idleTimeout = 300ms,
                      .retries = 2,
                      .backoff = 5ms,
                      .maxAnswerBytes = 4096};
  std::unique_ptr<OpenAiDriver> driver;
  Json body = {{"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})},
               {"max_tokens", 5},
               {"stream_options", {{"x", 1}}}};
  Nanoseconds timeout = 5s;
  std::vector<Json> chunks;
  Usage used;
};

TEST_F(OpenAiDriverTest, AWholeAnswerPassesAsItCame) {
  serve([](const FakeRequest&, FakeConnection& out) { out.answer(200, kWhole); });
  const auto answer = ask(false);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body, *parseJson(kWhole));
  EXPECT_EQ(answer->usage, (Usage{11, 2, 0}));
  EXPECT_TRUE(answer->usageKnown);
  EXPECT_TRUE(chunks.empty());
  const FakeRequest got = endpoint->requests().at(0);
  EXPECT_EQ(got.method, "POST");
  EXPECT_EQ(got.target, "/v1/chat/completions");
  EXPECT_EQ(got.header("Content-Type"), "application/json");
  EXPECT_EQ(got.header("Authorization"), "");
  EXPECT_EQ(sent()["model"], "up-model");
  EXPECT_EQ(sent()["stream"], false);
  EXPECT_FALSE(sent().contains("stream_options"));
}

TEST_F(OpenAiDriverTest, AStreamPassesChunkByChunkAndIsPutTogether) {
  serve([](const FakeRequest&, FakeConnection& out) { streamHello(out); });
  const auto answer = ask(true);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(chunks.size(), 4U);
  EXPECT_EQ(answer->body["choices"][0]["message"]["content"], "hello");
  EXPECT_EQ(answer->usage, (Usage{11, 2, 0}));
  EXPECT_EQ(sent()["stream_options"]["include_usage"], true);
}

TEST_F(OpenAiDriverTest, ConnectionsAreKeptForTheNextCall) {
  serve([](const FakeRequest& request, FakeConnection& out) {
    if (request.body.find("\"stream\":true") != std::string::npos)
      streamHello(out);
    else
      out.answer(200, kWhole);
  });
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ask(i % 2 == 0));
  EXPECT_EQ(endpoint->connections(), 1);
}

TEST_F(OpenAiDriverTest, AKeptConnectionThatDiedIsReplacedUnseen) {
  serve([](const FakeRequest&, FakeConnection& out) {
    out.answer(200, kWhole);
    out.close();
  });
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(ask(false));
  EXPECT_EQ(endpoint->connections(), 3);
}

TEST_F(OpenAiDriverTest, BytesMayComeInAnyPieces) {
  serve([](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    const std::string all = "data: " + delta("hel") + "\r\n\r\ndata: " + delta("lo", "stop") + "\n\ndata: " + kUsage +
                            "\n\ndata: [DONE]\n\n";
    for (const char& c : all) out.chunk(std::string_view(&c, 1));
    out.endStream();
  });
  const auto answer = ask(true);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->body["choices"][0]["message"]["content"], "hello");
}

TEST_F(OpenAiDriverTest, UsageIsEstimatedWhenNobodySays) {
  serve([](const FakeRequest&, FakeConnection& out) { streamHello(out, false); });
  const auto answer = ask(true);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->usageKnown);
  EXPECT_EQ(answer->usage, (Usage{estimated(), tokensOfBytes(5), 0}));
}

TEST_F(OpenAiDriverTest, AUsageThatCannotBeIsNotBelieved) {
  serve([](const FakeRequest&, FakeConnection& out) {
    Json lie = *parseJson(kWhole);
    lie["usage"] = {{"prompt_tokens", -5}, {"completion_tokens", 2}};
    out.answer(200, dumpJson(lie));
  });
  const auto answer = ask(false);
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->usageKnown);
  EXPECT_EQ(answer->usage.inputTokens, estimated());
}

TEST_F(OpenAiDriverTest, RetriesTooManyAndServerErrorsBeforeTheFirstByte) {
  std::atomic<int> count = 0;
  serve([&](const FakeRequest&, FakeConnection& out) {
    const int now = ++count;
    if (now == 1)
      out.answer(429, R"({"error":{"message":"slow"}})");
    else if (now == 2)
      out.answer(503, "busy");
    else
      streamHello(out);
  });
  ASSERT_TRUE(ask(true));
  EXPECT_EQ(count, 3);
  EXPECT_EQ(chunks.size(), 4U);
}

TEST_F(OpenAiDriverTest, GivesUpAfterItsRetriesWithTheUpstreamsWord) {
  serve([](const FakeRequest&, FakeConnection& out) { out.answer(500, R"({"error":{"message":"out of GPUs"}})"); });
  const auto answer = ask(false);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kModelUpstream);
  EXPECT_EQ(upstreamStatus(answer.error()), 500);
  EXPECT_EQ(answer.error().what, "local answered 500: out of GPUs");
  EXPECT_EQ(endpoint->requests().size(), 3U);
  EXPECT_EQ(used, Usage{});
}

TEST_F(OpenAiDriverTest, DoesNotRetryWhatWillNotChange) {
  for (const int status : {400, 401, 404, 422, 302}) {
    serve([&](const FakeRequest&, FakeConnection& out) {
      out.answer(status, R"({"error":"no"})", "Location: /elsewhere\r\n");
    });
    driver.reset();
    const auto answer = ask(true);
    ASSERT_FALSE(answer);
    EXPECT_EQ(upstreamStatus(answer.error()), status);
    EXPECT_EQ(endpoint->requests().size(), 1U) << status;
  }
}

TEST_F(OpenAiDriverTest, RetryAfterIsKeptToAndNotWaitedForWithoutEnd) {
  std::atomic<int> count = 0;
  serve([&](const FakeRequest&, FakeConnection& out) {
    if (++count == 1)
      out.answer(429, "x", "Retry-After: 1\r\n");
    else
      out.answer(200, kWhole);
  });
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(ask(false));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 1s);
  serve([&](const FakeRequest&, FakeConnection& out) { out.answer(429, "x", "Retry-After: 3600\r\n"); });
  driver.reset();
  const auto refused = ask(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(upstreamRetryAfter(refused.error()), 3600s);
  EXPECT_EQ(endpoint->requests().size(), 1U);
}

TEST_F(OpenAiDriverTest, NeverRetriesOnceTheClientHasSeenSomething) {
  serve([](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    out.event(delta("hel"));
    out.close();
  });
  const auto answer = ask(true);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kModelUpstream);
  EXPECT_EQ(endpoint->requests().size(), 1U);
  EXPECT_EQ(chunks.size(), 1U);
  EXPECT_EQ(used, (Usage{estimated(), 1, 0}));
}

TEST_F(OpenAiDriverTest, AHalfAnswerIsAnErrorHoweverItEnds) {
  for (const bool done : {true, false}) {
    serve([&](const FakeRequest&, FakeConnection& out) {
      out.beginStream();
      out.event(delta("hel"));
      if (done) out.event("[DONE]");
      out.endStream();
    });
    driver.reset();
    const auto answer = ask(true);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().what, HasSubstr("mid-answer"));
  }
  serve([](const FakeRequest&, FakeConnection& out) {
    out.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"id\":");
    out.close();
  });
  driver.reset();
  EXPECT_EQ(ask(false).error().code, ErrorCode::kModelUpstream);
}

TEST_F(OpenAiDriverTest, AStreamWithoutDoneButWithItsFinishIsWhole) {
  serve([](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    out.event(delta("hello", "stop"));
    out.endStream();
  });
  EXPECT_TRUE(ask(true));
}

TEST_F(OpenAiDriverTest, GarbageIsAnError) {
  for (const std::string& bytes :
       {std::string("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n<htm"),
        std::string("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"),
        std::string("\x16\x03\x01 not http at all\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x') + "\r\n\r\n"}) {
    serve([&](const FakeRequest&, FakeConnection& out) {
      out.write(bytes);
      out.close();
    });
    driver.reset();
    const auto answer = ask(false);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kModelUpstream) << answer.error().message();
  }
  for (const char* event : {"{half", "[]", "7", R"({"choices":"x"})"}) {
    serve([&](const FakeRequest&, FakeConnection& out) {
      out.beginStream();
      out.event(event);
      out.endStream();
    });
    driver.reset();
    EXPECT_EQ(ask(true).error().code, ErrorCode::kModelUpstream) << event;
  }
}

TEST_F(OpenAiDriverTest, AnErrorInsideA200IsAnError) {
  serve([](const FakeRequest& request, FakeConnection& out) {
    if (request.body.find("\"stream\":true") == std::string::npos)
      return out.answer(200, R"({"error":{"message":"overloaded"}})");
    out.beginStream();
    out.event(delta("he"));
    out.event(R"({"error":{"message":"overloaded"}})");
    out.endStream();
  });
  for (const bool stream : {false, true}) {
    const auto answer = ask(stream);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().what, HasSubstr("overloaded"));
  }
}

TEST_F(OpenAiDriverTest, AnEndpointThatDoesNotStreamIsStreamedAsOneChunk) {
  serve([](const FakeRequest&, FakeConnection& out) { out.answer(200, kWhole); });
  const auto answer = ask(true);
  ASSERT_TRUE(answer) << answer.error().message();
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_EQ(chunks[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(chunks[0]["choices"][0]["delta"]["content"], "hello");
  EXPECT_EQ(chunks[0]["choices"][0]["finish_reason"], "stop");
}

TEST_F(OpenAiDriverTest, SilenceBeforeTheFirstByteAndInTheMiddleEndsInTime) {
  serve([](const FakeRequest&, FakeConnection& out) { out.sleep(20s); });
  auto start = std::chrono::steady_clock::now();
  auto answer = ask(true);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  EXPECT_EQ(endpoint->requests().size(), 1U);  // it may be working on it: not asked twice
  EXPECT_EQ(used, (Usage{estimated(), 0, 0}));
  serve([](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    out.event(delta("hello"));
    out.sleep(20s);
  });
  driver.reset();
  start = std::chrono::steady_clock::now();
  answer = ask(true);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
  EXPECT_EQ(used, (Usage{estimated(), tokensOfBytes(5), 0}));
}

TEST_F(OpenAiDriverTest, TheWholeCallHasADeadlineEvenForADripOfBytes) {
  serve([](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    for (int i = 0; i < 100 && !out.clientGone(); ++i) {
      out.event(delta("x"));
      out.sleep(50ms);
    }
  });
  timeout = 300ms;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ask(true).error().code, ErrorCode::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

TEST_F(OpenAiDriverTest, AnEndpointThatIsNotThereCostsNothing) {
  config.baseUrl = "http://127.0.0.1:1/v1";
  const auto answer = ask(true);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnreachable);
  EXPECT_EQ(used, Usage{});
}

TEST_F(OpenAiDriverTest, EndlessAnswersAreBoundedAndHeldBack) {
  const auto sentBytes = std::make_shared<std::atomic<std::int64_t>>();  // the endpoint may outlive this body
  for (const bool stream : {false, true}) {
    serve([sentBytes, stream](const FakeRequest&, FakeConnection& out) {
      const std::string block(64 * 1024, 'x');
      *sentBytes = 0;
      if (stream) {
        out.beginStream();
        out.chunk("data: ");
        while (out.chunk(block)) *sentBytes += 65536;
      } else {
        out.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2147483648\r\n\r\n");
        while (out.write(block)) *sentBytes += 65536;
      }
    });
    driver.reset();
    const auto answer = ask(stream);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kModelUpstream);
    EXPECT_THAT(answer.error().what, HasSubstr("than 4096 bytes"));
    EXPECT_LT(*sentBytes, 32 << 20);
  }
}

// A client that reads slowly holds the endpoint back: what is in between is bounded by buffers, not by the answer.
TEST_F(OpenAiDriverTest, ASlowClientMakesTheEndpointWait) {
  const auto sentBytes = std::make_shared<std::atomic<std::int64_t>>();
  serve([sentBytes](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    const std::string comment = ":" + std::string(64 * 1024, 'x') + "\n";
    out.event(delta("x"));
    for (int i = 0; i < 400 && out.chunk(comment); ++i) *sentBytes += 65536;
    out.event(delta("", "stop"));
    out.event("[DONE]");
    out.endStream();
  });
  config.idleTimeout = 5s;
  config.maxAnswerBytes = 1 << 20;
  driver = *OpenAiDriver::open(context.get_executor(), config);
  std::int64_t whenSlow = 0;
  ChunkSink slow = [&](const Json&) -> asio::awaitable<Result<void>> {
    if (whenSlow == 0) {
      asio::steady_timer timer(context, 300ms);
      co_await timer.async_wait(asio::use_awaitable);
      whenSlow = *sentBytes;
    }
    co_return Result<void>();
  };
  const auto answer = runAwaitable(context, driver->complete(request(true), slow, used));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_LT(whenSlow, 16 << 20);
  EXPECT_EQ(*sentBytes, 400 * 65536);
}

TEST_F(OpenAiDriverTest, WhenTheSinkErrsTheEndpointIsLetGo) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  serve([gone](const FakeRequest&, FakeConnection& out) {
    out.beginStream();
    for (int i = 0; i < 200 && !*gone; ++i) {
      out.event(delta("x"));
      out.sleep(10ms);
      *gone = out.clientGone();
    }
  });
  const auto answer = ask(true, 3);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().what, "client gone");
  for (int i = 0; i < 200 && !*gone; ++i) usleep(5000);
  EXPECT_TRUE(*gone);
  EXPECT_EQ(used, (Usage{estimated(), tokensOfBytes(4), 0}));
}

TEST_F(OpenAiDriverTest, CancellationLetsTheEndpointGoAndSaysWhatWasUsed) {
  using namespace asio::experimental::awaitable_operators;
  std::atomic<bool> gone = false;
  serve([&](const FakeRequest&, FakeConnection& out) {
    for (int i = 0; i < 300 && !gone; ++i) {
      out.sleep(10ms);
      gone = out.clientGone();
    }
  });
  config.firstByteTimeout = 20s;
  driver = *OpenAiDriver::open(context.get_executor(), config);
  const auto race = [&]() -> asio::awaitable<bool> {
    asio::steady_timer timer(context, 100ms);
    ChatRequest what = request(true);
    ChunkSink sink = collect();
    const auto won =
        co_await (driver->complete(std::move(what), std::move(sink), used) || timer.async_wait(asio::use_awaitable));
    co_return won.index() == 1;
  };
  EXPECT_TRUE(runAwaitable(context, race()));
  for (int i = 0; i < 200 && !gone; ++i) usleep(5000);
  EXPECT_TRUE(gone);
  EXPECT_EQ(used, (Usage{estimated(), 0, 0}));
}

TEST_F(OpenAiDriverTest, ManyCallsAtOnceShareTheLoop) {
  serve([](const FakeRequest& request, FakeConnection& out) {
    out.beginStream();
    const std::string who = (*parseJson(request.body))["messages"][0]["content"];
    for (int i = 0; i < 5; ++i) {
      out.event(delta(who));
      out.sleep(10ms);
    }
    out.event(delta("", "stop"));
    out.event("[DONE]");
    out.endStream();
  });
  driver = *OpenAiDriver::open(context.get_executor(), config);
  int right = 0, ended = 0;
  const auto one = [&](std::string who) -> asio::awaitable<void> {
    ChatRequest what = request(true);
    what.body["messages"][0]["content"] = who;
    Usage mine;
    ChunkSink sink = [](const Json&) -> asio::awaitable<Result<void>> { co_return Result<void>(); };
    const auto answer = co_await driver->complete(std::move(what), std::move(sink), mine);
    right += answer && answer->body["choices"][0]["message"]["content"] == who + who + who + who + who;
    ++ended;
  };
  for (int i = 0; i < 40; ++i)
    asio::co_spawn(context, one("w" + std::to_string(i)), [](std::exception_ptr error) { EXPECT_FALSE(error); });
  const auto start = std::chrono::steady_clock::now();
  while (ended < 40 && std::chrono::steady_clock::now() - start < 10s) context.run_one_for(100ms);
  EXPECT_EQ(right, 40);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

class KeyTest : public OpenAiDriverTest {
 protected:
  KeyTest() { config.apiKeyFile = path; }
  ~KeyTest() override { std::filesystem::remove(path); }
  void write(const std::string& bytes) { std::ofstream(path) << bytes; }
  std::string path = std::filesystem::temp_directory_path() / ("agentos-key-" + std::to_string(getpid()));
};

TEST_F(KeyTest, TheKeyIsSentAndNeverSaid) {
  write("sk-secret-123\n");
  serve([](const FakeRequest& request, FakeConnection& out) {
    out.answer(401, R"({"error":{"message":"bad key in header ')" + request.header("Authorization") + "'\"}}");
  });
  const auto answer = ask(false);
  ASSERT_FALSE(answer);
  EXPECT_EQ(endpoint->requests()[0].header("Authorization"), "Bearer sk-secret-123");
  EXPECT_EQ(answer.error().what, "local answered 401: bad key in header 'Bearer [key]'");
}

TEST_F(KeyTest, AFileWithoutAKeyIsRefused) {
  config.baseUrl = "http://127.0.0.1:1";
  const auto open = [&] { return OpenAiDriver::open(context.get_executor(), config); };
  EXPECT_EQ(open().error().code, ErrorCode::kConfig);  // no file
  for (const char* bad : {"", "\n", "two words", "a\r\nX-Evil: 1"}) {
    write(bad);
    EXPECT_EQ(open().error().code, ErrorCode::kConfig) << bad;
  }
  write("good");
  EXPECT_TRUE(open());
  config.baseUrl = "ftp://host";
  EXPECT_EQ(open().error().code, ErrorCode::kConfig);
  config.baseUrl = "http://host";
  config.headers = {{"X", "a\r\nY: b"}};
  EXPECT_EQ(open().error().code, ErrorCode::kConfig);
}

TEST_F(OpenAiDriverTest, TheNewerNameOfMaxTokensAndFurtherHeaders) {
  serve([](const FakeRequest&, FakeConnection& out) { out.answer(200, kWhole); });
  config.maxCompletionTokens = true;
  config.headers = {{"X-Org", "acme"}};
  ASSERT_TRUE(ask(false));
  EXPECT_FALSE(sent().contains("max_tokens"));
  EXPECT_EQ(sent()["max_completion_tokens"], 5);
  EXPECT_EQ(endpoint->requests()[0].header("X-Org"), "acme");
}

}  // namespace
}  // namespace agentos::models
