// SPDX-License-Identifier: Apache-2.0
#include "models/scripted_driver.h"

#include <spdlog/fmt/fmt.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/digest.h"
#include "base/files.h"
#include "base/text.h"
#include "models/chat.h"
#include "models/json_read.h"
#include "models/upstream.h"

namespace agentos::models {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostAttemptsRemembered = 10'000;

asio::awaitable<void> pause(Nanoseconds time) {
  if (time.count() <= 0) co_return;
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

// Pieces of at most `bytes` that do not cut a character in two.
std::vector<std::string> pieces(const std::string& text, std::int64_t bytes) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.size(), at + static_cast<std::size_t>(bytes));
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    all.push_back(text.substr(at, end - at));
    at = end;
  }
  return all;
}

// One answer, worked out: the message and the deltas that a stream of it has.
struct Worked {
  std::string id, model;
  Json message;
  std::string finish;
  Usage usage;
  std::vector<Json> deltas;

  Json chunk(const Json& delta, const Json& finishReason = nullptr) const {
    return {{"id", id},
            {"object", "chat.completion.chunk"},
            {"created", 0},
            {"model", model},
            {"choices", Json::array({{{"index", 0}, {"delta", delta}, {"finish_reason", finishReason}}})}};
  }
  Json usageChunk() const {
    return {{"id", id},       {"object", "chat.completion.chunk"}, {"created", 0},
            {"model", model}, {"choices", Json::array()},          {"usage", writeUsage(usage)}};
  }
  Json completion() const {
    return {{"id", id},
            {"object", "chat.completion"},
            {"created", 0},
            {"model", model},
            {"choices", Json::array({{{"index", 0}, {"message", message}, {"finish_reason", finish}}})},
            {"usage", writeUsage(usage)}};
  }
};

void addCall(Worked& worked, const ScriptRule& rule, const ScriptedTurn& turn, std::size_t index) {
  const ScriptedCall& call = rule.calls[index];
  const std::string arguments = call.argumentsText.empty() ? dumpJson(fillInJson(call.arguments, turn.values))
                                                           : fillIn(call.argumentsText, turn.values);
  const std::string id = fmt::format("call_{}_{}", worked.id.substr(9, 12), index + 1);
  worked.message["tool_calls"].push_back(
      {{"id", id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", arguments}}}});
  const auto delta = [&](Json part) {
    worked.deltas.push_back(Json::object({{"tool_calls", Json::array({std::move(part)})}}));
  };
  delta({{"index", index}, {"id", id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", ""}}}});
  for (const std::string& piece : pieces(arguments, rule.chunkBytes))
    delta({{"index", index}, {"function", {{"arguments", piece}}}});
}

Worked workOut(const ScriptedTurn& turn, const ChatRequest& request, const std::string& digest, std::size_t bytes) {
  const ScriptRule& rule = *turn.rule;
  Worked worked;
  worked.id = "chatcmpl-" + digest.substr(0, 24);
  worked.model = request.model;
  worked.finish = rule.finish;
  const std::string text = fillIn(rule.text, turn.values);
  worked.message = {{"role", "assistant"},
                    {"content", text.empty() && !rule.calls.empty() ? Json(nullptr) : Json(text)}};
  worked.deltas.push_back({{"role", "assistant"}, {"content", ""}});
  for (const std::string& piece : pieces(text, rule.chunkBytes))
    worked.deltas.push_back(Json::object({{"content", piece}}));
  for (std::size_t i = 0; i < rule.calls.size(); ++i) addCall(worked, rule, turn, i);
  const auto quarter = [](std::size_t bytes) { return static_cast<std::int64_t>((bytes + 3) / 4); };
  worked.usage = rule.usage.value_or(Usage{quarter(bytes), quarter(writtenBytes(worked.message)), 0});
  return worked;
}

std::unexpected<Error> failAs(const ScriptedError& error, const std::string& rule) {
  const std::string who = "the scripted model (" + rule + ")";
  if (error.kind == ScriptedError::Kind::kTimeout)
    return fail(ErrorCode::kTimedOut, who + " did not answer: " + error.message);
  if (error.kind == ScriptedError::Kind::kDisconnect)
    return fail(ErrorCode::kModelUpstream, who + " closed the connection in mid-answer: " + error.message);
  return failUpstream(
      who, error.status, error.message,
      error.retryAfterSeconds ? std::optional(std::chrono::seconds(*error.retryAfterSeconds)) : std::nullopt);
}

// What takes time in proportion to the request.
struct Read {
  Read(Json sent, std::string asked) : body(std::move(sent)), who(std::move(asked)) {}
  void measure() {
    const Json* messages = member(body, "messages");
    digest = sha256(who + (messages ? dumpJson(*messages) : ""));
    bytes = dumpJson(body).size();
  }
  Json body;
  std::string who, digest;
  std::size_t bytes = 0;
};

std::string lastUserText(const Json& body) {
  std::string last;
  if (const Json* messages = member(body, "messages"); messages && messages->is_array())
    for (const Json& message : *messages)
      if (textAt(message, "role") == "user") last = contentText(message);
  return last;
}

}  // namespace

Result<std::unique_ptr<ScriptedDriver>> ScriptedDriver::load(const std::string& path) {
  AGENTOS_TRY(const std::string text, readPath(path));
  return fromText(text, path);
}

Result<std::unique_ptr<ScriptedDriver>> ScriptedDriver::fromText(std::string_view text, const std::string& file) {
  auto script = parseScript(text, file);
  if (script) return std::make_unique<ScriptedDriver>(*std::move(script));
  std::vector<std::string> lines;
  for (const YamlProblem& problem : script.error()) lines.push_back(problem.message());
  return fail(ErrorCode::kConfig, join(lines, "\n"));
}

bool ScriptedDriver::attemptsSpent(const ScriptRule& rule, const std::string& who) {
  if (attempts_.size() > kMostAttemptsRemembered) attempts_.clear();
  return attempts_[who + "\n" + rule.name]++ >= *rule.error->attempts;
}

asio::awaitable<Result<ChatAnswer>> ScriptedDriver::complete(ChatRequest request, ChunkSink sink, Usage& usedSoFar) {
  const auto read = std::make_shared<Read>(std::move(request.body), request.agent + "\n" + request.model + "\n");
  co_await runOffloaded(request.offload, [read] { read->measure(); });
  request.body = std::move(read->body);
  const std::string digest = read->digest;
  const ScriptedTurn turn = decide(
      script_, request, [&](const ScriptRule& rule) { return attemptsSpent(rule, request.instance + "\n" + digest); });
  if (!turn.rule)
    co_return failUpstream("the scripted model", 501,
                           fmt::format("no rule fits turn {} of agent '{}', whose last user text is '{}'", turn.turn,
                                       request.agent, cleanText(lastUserText(request.body), 200)));
  const ScriptRule& rule = *turn.rule;
  co_await pause(rule.delay);
  const Worked worked = workOut(turn, request, digest, read->bytes);
  if (rule.error && (!request.stream || rule.error->afterChunks == 0)) co_return failAs(*rule.error, rule.name);
  if (!request.stream) {
    usedSoFar = worked.usage;
    co_return ChatAnswer{worked.completion(), worked.usage, true};
  }
  usedSoFar.inputTokens = worked.usage.inputTokens;
  std::int64_t sent = 0;
  for (const Json& delta : worked.deltas) {
    if (rule.error && sent >= rule.error->afterChunks) co_return failAs(*rule.error, rule.name);
    co_await pause(rule.chunkDelay);
    const Json chunk = worked.chunk(delta);
    AGENTOS_CO_CHECK(co_await sink(chunk));
    ++sent;
    const auto size = static_cast<std::int64_t>(worked.deltas.size());
    usedSoFar.outputTokens = worked.usage.outputTokens * sent / size;
  }
  if (rule.error) co_return failAs(*rule.error, rule.name);
  usedSoFar = worked.usage;
  const Json last = worked.chunk(Json::object(), worked.finish), counted = worked.usageChunk();
  AGENTOS_CO_CHECK(co_await sink(last));
  AGENTOS_CO_CHECK(co_await sink(counted));
  co_return ChatAnswer{worked.completion(), worked.usage, true};
}

}  // namespace agentos::models
