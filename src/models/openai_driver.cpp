// SPDX-License-Identifier: Apache-2.0
#include "models/openai_driver.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "base/files.h"
#include "base/text.h"
#include "models/chat.h"
#include "models/estimate.h"
#include "models/http_exchange.h"
#include "models/json_read.h"
#include "models/sse.h"
#include "models/upstream.h"

namespace agentos::models {
namespace {

namespace asio = boost::asio;
using Deadline = HttpExchange::Deadline;

constexpr std::size_t kMostErrorBytes = 64 << 10;
constexpr Nanoseconds kLongestWait = std::chrono::seconds(30);
constexpr Nanoseconds kDrain = std::chrono::milliseconds(100);

Result<std::string> readKey(const std::string& path) {
  if (path.empty()) return std::string();
  auto read = readPath(path, 4096);
  if (!read)
    return fail(ErrorCode::kConfig, "api_key_file: " + read.error().message(), "name a file that agentd may read");
  std::string key(trim(*read));
  const bool printable = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
  if (key.empty() || !printable) return fail(ErrorCode::kConfig, "api_key_file " + path + " holds no key of one line");
  return key;
}

bool isJson(const HttpHead& head) { return head.contentType.starts_with("application/json"); }

// What an error body says: {"error": {"message"}}, {"error": "…"}, {"message"} or {"detail"}, else the body itself.
std::string errorText(const std::string& body) {
  const auto json = parseJson(body);
  if (!json) return body;
  if (const Json* error = member(*json, "error")) {
    if (error->is_string()) return error->get<std::string>();
    if (const std::string text = textAt(*error, "message"); !text.empty()) return text;
  }
  for (const char* key : {"message", "detail"})
    if (const std::string text = textAt(*json, key); !text.empty()) return text;
  return body;
}

// A whole answer as the one chunk of a stream, for endpoints that do not stream.
Json asChunk(const Json& completion) {
  Json chunk = completion;
  chunk["object"] = "chat.completion.chunk";
  for (Json& choice : chunk["choices"]) {
    if (!choice.is_object() || !choice.contains("message")) continue;
    choice["delta"] = std::move(choice["message"]);
    choice.erase("message");
    Json* calls = choice["delta"].is_object() && choice["delta"].contains("tool_calls") ? &choice["delta"]["tool_calls"]
                                                                                        : nullptr;
    for (std::size_t i = 0; calls && calls->is_array() && i < calls->size(); ++i)
      if ((*calls)[i].is_object()) (*calls)[i]["index"] = i;
  }
  return chunk;
}

// The request as it is sent, whichever attempt it is; the values it is made of go as soon as it is written.
struct Upload {
  explicit Upload(ChatRequest& request, bool completionKey)
      : body(std::move(request.body)),
        model(request.model),
        stream(request.stream),
        renamed(completionKey),
        inputTokens(request.inputTokens) {}
  void write() {
    if (inputTokens == 0) inputTokens = inputTokensOf(body);
    setOwnKeys();
    text = dumpJson(body);
    body = {};
  }
  void setOwnKeys() {
    body["model"] = model;
    body["stream"] = stream;
    body.erase("stream_options");
    if (stream) body["stream_options"] = {{"include_usage", true}};
    if (renamed && body.contains("max_tokens")) {
      body["max_completion_tokens"] = body["max_tokens"];
      body.erase("max_tokens");
    }
  }
  Json body;
  std::string model, text;
  bool stream, renamed;
  std::int64_t inputTokens;
};

}  // namespace

// One attempt at one request.
class OpenAiDriver::Call {
 public:
  Call(OpenAiDriver& driver, const ChatRequest& request, const std::string& text, const ChunkSink& sink, Usage& used,
       Deadline deadline)
      : config_(driver.config_),
        request_(request),
        sink_(sink),
        used_(used),
        deadline_(deadline),
        exchange_(driver.loop_, postOf(driver, request, text)),
        assembler_(config_.maxAnswerBytes) {}

  // `begun`: the answer's first byte came, so that another attempt could repeat what the client has seen.
  asio::awaitable<Result<ChatAnswer>> run(bool& begun) {
    AGENTOS_CO_CHECK(exchange_.start());
    used_.inputTokens = request_.inputTokens;  // until the endpoint says otherwise
    Undo undo{*this};
    auto head = co_await exchange_.head(
        std::min(deadline_, after(request_.stream ? config_.firstByteTimeout : request_.timeout)));
    if (!head) co_return std::unexpected(std::move(head).error());
    if (head->status / 100 != 2) co_return co_await refused(*head);
    begun = true;
    undo.armed = false;
    if (!request_.stream || isJson(*head)) co_return co_await whole();
    co_return co_await stream();
  }

 private:
  // What never reached the endpoint costs nothing.
  struct Undo {
    Call& call;
    bool armed = true;
    ~Undo() {
      if (armed && !call.exchange_.sent()) call.used_ = {};
    }
  };

  static HttpPost postOf(const OpenAiDriver& driver, const ChatRequest& request, const std::string& text) {
    const OpenAiConfig& config = driver.config_;
    HttpPost post{.url = config.baseUrl + "/chat/completions",
                  .body = text,
                  .headers = {"Content-Type: application/json"},
                  .connectTimeout = config.connectTimeout};
    post.headers.push_back(request.stream ? "Accept: text/event-stream" : "Accept: application/json");
    if (!driver.key_.empty()) post.headers.push_back("Authorization: Bearer " + driver.key_);
    for (const auto& [name, value] : config.headers) post.headers.push_back(name + ": " + value);
    return post;
  }

  Deadline after(Nanoseconds time) const { return std::chrono::steady_clock::now() + time; }
  Deadline idle() const { return std::min(deadline_, after(config_.idleTimeout)); }

  asio::awaitable<Result<std::string>> readBody(std::size_t most) {
    std::string body;
    for (;;) {
      AGENTOS_CO_TRY(const std::string piece, co_await exchange_.read(idle()));
      if (piece.empty()) co_return body;
      body += piece;
      if (body.size() > most)
        co_return fail(ErrorCode::kModelUpstream, fmt::format("the answer is longer than {} bytes", most),
                       "raise the endpoint's max_answer");
    }
  }

  asio::awaitable<Result<ChatAnswer>> refused(HttpHead head) {
    std::string text;
    while (text.size() < kMostErrorBytes) {
      const auto piece = co_await exchange_.read(idle());
      if (!piece || piece->empty()) break;  // what there is of it is enough
      text += *piece;
    }
    used_ = {};
    co_return failUpstream(config_.name, head.status, errorText(text), head.retryAfter);
  }

  asio::awaitable<Result<ChatAnswer>> whole() {
    AGENTOS_CO_TRY(const std::string text, co_await readBody(config_.maxAnswerBytes));
    auto body = parseJson(text);
    if (!body) co_return fail(ErrorCode::kModelUpstream, "the answer is no JSON: " + cleanText(text, 200));
    if (member(*body, "error")) co_return failUpstream(config_.name, 200, errorText(text));
    const Json* choices = member(*body, "choices");
    if (!choices || !choices->is_array() || choices->empty())
      co_return fail(ErrorCode::kModelUpstream, "the answer has no choices: " + cleanText(text, 200));
    std::size_t written = 0;
    for (const Json& choice : *choices)
      if (const Json* message = member(choice, "message")) written += writtenBytes(*message);
    const auto known = readUsage(*body);
    used_ = known.value_or(Usage{used_.inputTokens, tokensOfBytes(written), 0});
    if (request_.stream) {
      const Json chunk = asChunk(*body);
      AGENTOS_CO_CHECK(co_await sink_(chunk));
    }
    co_return ChatAnswer{*std::move(body), used_, known.has_value()};
  }

  asio::awaitable<Result<ChatAnswer>> stream() {
    SseParser events(config_.maxAnswerBytes);
    std::size_t received = 0;
    for (bool done = false; !done;) {
      AGENTOS_CO_TRY(const std::string piece, co_await exchange_.read(idle()));
      if (piece.empty()) break;
      received += piece.size();
      if (received / 64 >
          config_.maxAnswerBytes)  // the frames of a stream are many times its text, but not without end
        co_return fail(ErrorCode::kModelUpstream,
                       fmt::format("the stream is longer than {} bytes", 64 * config_.maxAnswerBytes));
      AGENTOS_CO_TRY(const auto data, events.feed(piece));
      for (const std::string& event : data) {
        done = done || event == "[DONE]";
        if (!done) AGENTOS_CO_CHECK(co_await take(event));
      }
      if (done) co_await drain();
    }
    if (!assembler_.finished())
      co_return fail(ErrorCode::kModelUpstream, config_.name + " ended the stream in mid-answer");
    co_return ChatAnswer{assembler_.message(), used_, assembler_.usage().has_value()};
  }

  asio::awaitable<Result<void>> take(const std::string& event) {
    const auto chunk = parseJson(event);
    if (!chunk)
      co_return fail(ErrorCode::kModelUpstream, "an event of the stream is no JSON: " + cleanText(event, 200));
    if (member(*chunk, "error")) co_return failUpstream(config_.name, 200, errorText(event));
    AGENTOS_CO_CHECK(assembler_.add(*chunk));
    used_.outputTokens = tokensOfBytes(assembler_.written());
    if (assembler_.usage()) used_ = *assembler_.usage();
    co_return co_await sink_(*chunk);
  }

  // The end of the body usually came with [DONE]; having read it keeps the connection for the next call.
  asio::awaitable<void> drain() {
    const Deadline until = after(kDrain);
    for (;;) {
      const auto rest = co_await exchange_.read(until);
      if (!rest || rest->empty()) co_return;
    }
  }

  const OpenAiConfig& config_;
  const ChatRequest& request_;
  const ChunkSink& sink_;
  Usage& used_;
  Deadline deadline_;
  HttpExchange exchange_;
  ChatAssembler assembler_;
};

Result<std::unique_ptr<OpenAiDriver>> OpenAiDriver::open(asio::any_io_executor executor, OpenAiConfig config) {
  while (config.baseUrl.ends_with('/')) config.baseUrl.pop_back();
  if (!config.baseUrl.starts_with("http://") && !config.baseUrl.starts_with("https://"))
    return fail(ErrorCode::kConfig, "base_url '" + config.baseUrl + "' of " + config.name,
                "write http://host:port/v1 or https://host/v1");
  for (const auto& [name, value] : config.headers)
    if ((name + value).find_first_of("\r\n") != std::string::npos)
      return fail(ErrorCode::kConfig, "a header of " + config.name + " has a line break",
                  "write each header on one line");
  AGENTOS_TRY(std::string key, readKey(config.apiKeyFile));
  return std::unique_ptr<OpenAiDriver>(new OpenAiDriver(std::move(executor), std::move(config), std::move(key)));
}

OpenAiDriver::OpenAiDriver(asio::any_io_executor executor, OpenAiConfig config, std::string key)
    : config_(std::move(config)), key_(std::move(key)), loop_(std::move(executor)) {}

asio::awaitable<Result<ChatAnswer>> OpenAiDriver::complete(ChatRequest request, ChunkSink sink, Usage& usedSoFar) {
  const Deadline deadline = std::chrono::steady_clock::now() + request.timeout;
  const auto upload = std::make_shared<Upload>(request, config_.maxCompletionTokens);
  co_await runOffloaded(request.offload, [upload] { upload->write(); });
  request.inputTokens = upload->inputTokens;
  for (int retry = 0;; ++retry) {
    bool begun = false;
    auto call = std::make_unique<Call>(*this, request, upload->text, sink, usedSoFar, deadline);
    auto answer = co_await call->run(begun);
    call.reset();
    if (answer) co_return answer;
    const int status = upstreamStatus(answer.error()).value_or(0);
    const bool worthIt = !begun && (answer.error().code == ErrorCode::kUnreachable || status == 429 || status >= 500);
    const Nanoseconds wait = waitBefore(retry, answer.error());
    const bool inTime = wait <= kLongestWait && std::chrono::steady_clock::now() + wait < deadline;
    if (!worthIt || retry >= config_.retries || !inTime) co_return std::unexpected(redacted(std::move(answer).error()));
    asio::steady_timer timer(loop_.executor(), wait);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

// Between half and the whole of the doubled step, so that many callers do not come back at once.
Nanoseconds OpenAiDriver::waitBefore(int retry, const Error& error) {
  if (const auto asked = upstreamRetryAfter(error)) return *asked;
  const Nanoseconds step = std::min(config_.backoff * (std::int64_t{1} << std::min(retry, 20)), kLongestWait);
  return step / 2 + step * static_cast<std::int64_t>(jitter_() % 1000) / 2000;
}

Error OpenAiDriver::redacted(Error error) const {
  if (key_.empty()) return error;
  for (auto at = error.what.find(key_); at != std::string::npos; at = error.what.find(key_, at))
    error.what.replace(at, key_.size(), "[key]");
  return error;
}

}  // namespace agentos::models
