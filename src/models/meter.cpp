// SPDX-License-Identifier: Apache-2.0
#include "models/meter.h"

#include <spdlog/fmt/fmt.h>

#include <boost/system/system_error.hpp>

#include "models/chat.h"
#include "models/estimate.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

// An open reservation, settled when it goes: by settle() with the answer's usage, else by the destructor with what the
// driver wrote into `used` until then.
class OpenCall {
 public:
  OpenCall(Ledger& ledger, const Meter::Settled& settled, std::int64_t id, Price price, Usage worst)
      : ledger_(ledger), settled_(settled), id_(id), price_(price), worst_(worst) {}
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;
  // A failure here leaves the reservation open; it still counts against the caps, and settleOrphans closes it.
  ~OpenCall() {
    if (id_ != 0) static_cast<void>(settle(bounded(used), "cut"));
  }

  Result<Ledger::Settlement> settle(const Usage& usage, const std::string& outcome) {
    auto settlement = ledger_.settle(std::exchange(id_, 0), usage, costOf(price_, usage), outcome);
    if (settlement && settled_) settled_(*settlement);
    return settlement;
  }
  // An estimate never exceeds what was reserved for the call.
  Usage bounded(const Usage& estimate) const {
    return {std::min(estimate.inputTokens, worst_.inputTokens), std::min(estimate.outputTokens, worst_.outputTokens),
            std::min(estimate.cachedTokens, worst_.inputTokens)};
  }

  Usage used;

 private:
  Ledger& ledger_;
  const Meter::Settled& settled_;
  std::int64_t id_;
  Price price_;
  Usage worst_;
};

struct ClientSide {
  ChunkSink sink;
  bool wantsUsage = false;
  bool failed = false;
};

// The chunk that only carries the usage is for clients that asked for it: others stumble over its empty choices.
boost::asio::awaitable<Result<void>> passOn(std::shared_ptr<ClientSide> client, const Json& chunk) {
  const Json* choices = member(chunk, "choices");
  if (!client->wantsUsage && choices && choices->empty() && member(chunk, "usage")) co_return Result<void>();
  auto passed = co_await client->sink(chunk);
  client->failed = client->failed || !passed;
  co_return passed;
}

std::shared_ptr<ClientSide> clientSide(ChunkSink sink, const Json& body) {
  auto client = std::make_shared<ClientSide>();
  client->sink = std::move(sink);
  const Json* options = member(body, "stream_options");
  client->wantsUsage = options && trueAt(*options, "include_usage");
  return client;
}

// A token is counted as four bytes here, as the context composer does: a wall that is met on an estimate should not be
// met early.
Result<void> checkContext(std::size_t bytes, const std::optional<std::int64_t>& most) {
  const auto tokens = static_cast<std::int64_t>(bytes / 4);
  if (!most || tokens <= *most) return {};
  return fail(ErrorCode::kTooLarge,
              fmt::format("the request has about {} tokens, and the contract allows {}", tokens, *most),
              "send fewer or shorter messages, or raise modelPolicy.max_context_tokens");
}

// What takes time in proportion to the body's size.
struct Sized {
  explicit Sized(Json sent) : body(std::move(sent)) {}
  void measure() {
    checked = checkChatRequest(body);
    if (!checked) return;
    bytes = dumpJson(body).size();
    inputTokens = inputTokensOf(body, bytes);
  }
  Json body;
  Result<void> checked;
  std::size_t bytes = 0;
  std::int64_t inputTokens = 0;
};

// What the endpoint is told is what was reserved: without a max_tokens it could write more than any cap foresaw.
Json cappedBody(Json body, const ModelSpec& spec) {
  const char* key = member(body, "max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
  body[key] = outputCapOf(body, spec);
  return body;
}

boost::asio::awaitable<Result<ChatAnswer>> runDriver(ModelDriver* driver, ChatRequest request, ChunkSink sink,
                                                     Usage& used) {
  try {
    co_return co_await driver->complete(std::move(request), std::move(sink), used);
  } catch (const boost::system::system_error& error) {
    co_return fail(ErrorCode::kUnavailable, std::string("the model call was cancelled: ") + error.code().message());
  } catch (const std::exception& error) {
    co_return fail(ErrorCode::kInternal, std::string("the model driver threw: ") + error.what());
  }
}

}  // namespace

Meter::Meter(const ModelRegistry& models, Ledger& ledger, Settled settled)
    : models_(models), ledger_(ledger), settled_(std::move(settled)) {}

Result<Meter::Admitted> Meter::admit(const MeteredRequest& request, const Json& body, const Result<void>& checked,
                                     std::size_t bytes, std::int64_t inputTokens) {
  AGENTOS_CHECK(checked);
  AGENTOS_TRY(ModelChoice choice, models_.resolve(request.policy.allow, textAt(body, "model")));
  AGENTOS_CHECK(checkContext(bytes, request.policy.maxContextTokens));
  const Usage worst = worstCaseOf(body, choice.spec, inputTokens);
  AGENTOS_TRY(const std::int64_t reservation,
              ledger_.reserve(request.account, request.caps, choice.spec.name, costOf(choice.spec.price, worst),
                              worst.inputTokens + worst.outputTokens));
  return Admitted{std::move(choice), worst, reservation};
}

boost::asio::awaitable<Result<MeteredAnswer>> Meter::complete(MeteredRequest request, ChunkSink sink) {
  const auto sized = std::make_shared<Sized>(std::move(request.body));
  co_await runOffloaded(request.offload, [sized] { sized->measure(); });
  // Before anything is reserved: what waits in line holds nobody's budget.
  const auto began = std::chrono::steady_clock::now();
  auto turn = co_await turnstile_.enter(request.account.agent, request.urgent, request.timeout);
  if (!turn) co_return std::unexpected(std::move(turn).error());
  request.timeout =
      std::max<Nanoseconds>(request.timeout - (std::chrono::steady_clock::now() - began), std::chrono::seconds(1));
  auto admitted = admit(request, sized->body, sized->checked, sized->bytes, sized->inputTokens);
  if (!admitted) {
    co_await runOffloaded(request.offload, [sized] { sized->body = {}; });  // a million values take their time to go
    co_return std::unexpected(std::move(admitted).error());
  }
  const auto& [choice, worst, reservation] = *admitted;
  OpenCall call(ledger_, settled_, reservation, choice.spec.price, worst);
  request.body = std::move(sized->body);

  const auto client = clientSide(std::move(sink), request.body);
  ChatRequest forDriver{.model = choice.spec.upstream,
                        .agent = request.account.agent,
                        .instance = request.account.instance,
                        .body = cappedBody(std::move(request.body), choice.spec),
                        .stream = false,
                        .timeout = request.timeout,
                        .inputTokens = worst.inputTokens,
                        .offload = request.offload};
  forDriver.stream = trueAt(forDriver.body, "stream");
  ChunkSink toClient = [client](const Json& chunk) { return passOn(client, chunk); };
  auto answer = co_await runDriver(choice.driver, std::move(forDriver), std::move(toClient), call.used);

  if (!answer) {
    const bool cut = client->failed || answer.error().code == ErrorCode::kUnavailable;
    AGENTOS_CO_CHECK(call.settle(call.bounded(call.used), cut ? "cut" : "failed"));
    co_return std::unexpected(std::move(answer).error());
  }
  AGENTOS_CO_TRY(auto settlement, call.settle(answer->usageKnown ? answer->usage : call.bounded(answer->usage), "ok"));
  co_return MeteredAnswer{choice.spec.name, *std::move(answer), std::move(settlement)};
}

}  // namespace agentos::models
