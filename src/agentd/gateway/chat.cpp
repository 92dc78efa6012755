// SPDX-License-Identifier: Apache-2.0
// /v1/chat/completions, /v1/messages, /v1/responses and /v1/models, in the shape of the vendors' APIs, so that their
// clients run unchanged. Errors have the API's shape too, with our code in it; a refusal for lack of budget says
// x-should-retry: false, or clients try again.
#include <functional>
#include <memory>

#include "agentd/api/on_pool.h"
#include "agentd/gateway/room_calls.h"
#include "models/dialect.h"
#include "models/estimate.h"
#include "models/upstream.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
using models::Dialect;
namespace {

constexpr std::size_t kLargeBody = std::size_t{256} << 10;  // parsed and measured on the pool: it takes milliseconds
constexpr auto kLongestCall = std::chrono::minutes(10);

// The endpoint's own status only where the agent can act on it; that our key is wrong is not the agent's fault.
int statusOf(const Error& error) {
  auto upstream = models::upstreamStatus(error);
  if (upstream && (*upstream == 400 || *upstream == 413 || *upstream == 422 || *upstream == 429)) return *upstream;
  return infoOf(error.code).httpStatus;
}

Response failure(const Dialect& dialect, const Error& error) {
  const int status = statusOf(error);
  Response response = http::json(dialect.error(error, status), status);
  if (error.code == ErrorCode::kBudgetExhausted) response.headers.emplace_back("x-should-retry", "false");
  if (auto after = models::upstreamRetryAfter(error))
    response.headers.emplace_back("Retry-After", std::to_string(after->count()));
  return response;
}

// Nothing was asked of a model: the turn does not count.
bool wasRefused(const Error& error) {
  switch (error.code) {
    case ErrorCode::kModelRequest:
    case ErrorCode::kTooLarge:
    case ErrorCode::kModelUnknown:
    case ErrorCode::kBudgetExhausted:
      return true;
    default:
      return false;
  }
}

asio::awaitable<Result<void>> pass(Stream& stream, std::string frame) {
  if (!stream.begun()) {
    Response head = http::text({}, "text/event-stream");
    head.headers.emplace_back("Cache-Control", "no-store");
    if (!co_await stream.begin(std::move(head))) co_return fail(ErrorCode::kUnavailable, "the client hung up");
  }
  if (!co_await stream.write(std::move(frame))) co_return fail(ErrorCode::kUnavailable, "the client hung up");
  co_return Result<void>();
}

std::string frameOf(const models::StreamEvent& event) {
  return (event.name.empty() ? "" : "event: " + event.name + "\n") + "data: " + dumpJson(event.data) + "\n\n";
}

std::string framesOf(const std::vector<models::StreamEvent>& events) {
  std::string frames;
  for (const auto& event : events) frames += frameOf(event);
  return frames;
}

asio::awaitable<Result<void>> passChunk(Stream& stream, models::DialectStream& translated, const Json& chunk) {
  auto events = translated.add(chunk);
  if (!events) co_return std::unexpected(std::move(events).error());
  if (events->empty()) co_return Result<void>();
  co_return co_await pass(stream, framesOf(*events));
}

Result<void> takeTurn(const Caller& caller) {
  const auto& most = caller.room.contract->budget.maxTurns;
  if (most && caller.count->turns >= *most) {
    return fail(ErrorCode::kBudgetExhausted, "this run has had its " + std::to_string(*most) + " turns",
                "hand over with /self/task/release, or raise budget.max_turns in the contract");
  }
  ++caller.count->turns;
  return {};
}

models::MeteredRequest meteredOf(const GatewayServices& services, const Caller& caller, Json body) {
  const contract::Contract& contract = *caller.room.contract;
  models::MeteredRequest metered;
  metered.account = accountOf(caller.room);
  metered.caps = capsOf(contract, services.company);
  metered.policy = {.allow = contract.modelPolicy.allow, .maxContextTokens = contract.modelPolicy.maxContextTokens};
  metered.body = std::move(body);
  metered.timeout = kLongestCall;
  metered.urgent = contract.latency != contract::LatencyClass::kDt;
  if (caller.room.deadline) {
    Nanoseconds left = *caller.room.deadline - services.clock.now();
    metered.timeout = std::clamp<Nanoseconds>(left, std::chrono::seconds(1), kLongestCall);
  }
  return metered;
}

// An error in mid-stream: said in an event, and the stream ends without its end mark, so nobody takes it for whole.
asio::awaitable<Response> breakOff(Stream& stream, models::StreamEvent error) {
  co_await stream.write(frameOf(error));
  stream.abort();
  co_return Response{};
}

asio::awaitable<void> workOnPool(asio::thread_pool& pool, std::function<void()> work) {
  std::function<bool()> whole = [work = std::move(work)] { return work(), true; };
  [[maybe_unused]] const bool done = co_await onPool(pool, std::move(whole));
}

models::Offload offloadOf(const GatewayServices& services, std::size_t bytes) {
  if (bytes <= kLargeBody || services.pool == nullptr) return {};
  return [pool = services.pool](std::function<void()> work) { return workOnPool(*pool, std::move(work)); };
}

bool wantsStream(const Json& body) {
  const auto stream = body.find("stream");
  return stream != body.end() && *stream == true;
}

// `body` is a request of Chat Completions.
asio::awaitable<Response> complete(const GatewayServices& services, const Dialect& dialect, Caller caller, Json body,
                                   models::Offload offload, Stream& stream) {
  if (auto turn = takeTurn(caller); !turn) co_return failure(dialect, turn.error());
  const bool asStream = wantsStream(body);
  const auto translated = dialect.stream();
  models::ChunkSink sink = [&stream, &translated](const Json& chunk) { return passChunk(stream, *translated, chunk); };
  auto metered = meteredOf(services, caller, std::move(body));
  metered.offload = std::move(offload);
  auto answer = co_await services.meter.complete(std::move(metered), std::move(sink));
  if (!answer) {
    const Error& error = answer.error();
    if (wasRefused(error)) --caller.count->turns;
    if (!stream.begun()) co_return failure(dialect, error);
    co_return co_await breakOff(stream, translated->breakOff(dialect.error(error, statusOf(error))));
  }
  if (!asStream) co_return http::json(dialect.answer(answer->answer.body));
  co_await pass(stream, framesOf(translated->finish()) + std::string(dialect.endMark()));
  co_return Response{};
}

Error notAnObject(const Dialect& dialect, const Result<Json>& body) {
  const std::string why = body ? "it is a JSON " + std::string(body->type_name()) : body.error().message();
  return {ErrorCode::kModelRequest,
          "the request body: " + why,
          "send a " + std::string(dialect.name()) + " request as a JSON object",
          0,
          {}};
}

// The body as a request of Chat Completions.
asio::awaitable<Result<Json>> readRequest(const Dialect& dialect, models::Offload offload, RequestPtr request) {
  // The value lies with the work until it is done, so that a call that is cut meanwhile leaves nothing to touch.
  auto read = std::make_shared<Result<Json>>();
  co_await models::runOffloaded(offload, [read, request, &dialect] {
    auto parsed = parseJson(request->body);
    *read = parsed && parsed->is_object() ? dialect.toChat(*std::move(parsed))
                                          : std::unexpected(notAnObject(dialect, parsed));
  });
  co_return std::move(*read);
}

asio::awaitable<Response> answer(const GatewayServices& services, const Dialect& dialect, FindCaller find,
                                 RequestPtr request, Stream& stream) {
  auto caller = find(*request);
  if (!caller) co_return failure(dialect, caller.error());
  const auto offload = offloadOf(services, request->body.size());
  auto body = co_await readRequest(dialect, offload, request);
  if (!body) co_return failure(dialect, body.error());
  co_return co_await complete(services, dialect, std::move(*caller), std::move(*body), offload, stream);
}

// How long a Messages request is, by the rule that reserves for it: nothing is asked of a model.
asio::awaitable<Response> countTokens(const GatewayServices& services, FindCaller find, RequestPtr request) {
  const Dialect& dialect = models::messagesDialect();
  auto caller = find(*request);
  if (!caller) co_return failure(dialect, caller.error());
  auto body = co_await readRequest(dialect, offloadOf(services, request->body.size()), request);
  if (!body) co_return failure(dialect, body.error());
  co_return http::json({{"input_tokens", models::inputTokensOf(*body)}});
}

asio::awaitable<Response> models(const GatewayServices& services, FindCaller find, RequestPtr request) {
  auto caller = find(*request);
  if (!caller) co_return failure(models::chatDialect(), caller.error());
  Json list{{"object", "list"}, {"data", Json::array()}};
  for (const auto& model : services.models.allowed(caller->room.contract->modelPolicy.allow)) {
    std::string owner = model.name.substr(0, model.name.find('/'));
    list["data"].push_back({{"id", model.name}, {"object", "model"}, {"created", 0}, {"owned_by", owner}});
  }
  co_return http::json(list);
}

}  // namespace

void addModelRoutes(http::Router& router, const GatewayServices& services, FindCaller find) {
  using enum http::Access;
  const auto serve = [&](const char* path, const Dialect& dialect) {
    router.add({"POST", path, kOpen,
                [&services, &dialect, find](RequestPtr request, Stream& stream) {
                  return answer(services, dialect, find, std::move(request), stream);
                },
                http::Hangup::kCut});
  };
  serve("/v1/chat/completions", models::chatDialect());
  serve("/v1/messages", models::messagesDialect());
  serve("/v1/responses", models::responsesDialect());
  router.add({"POST", "/v1/messages/count_tokens", kOpen, [&services, find](RequestPtr request, Stream&) {
                return countTokens(services, find, std::move(request));
              }});
  router.add({"GET", "/v1/models", kOpen,
              [&services, find](RequestPtr request, Stream&) { return models(services, find, std::move(request)); }});
}

}  // namespace agentos::agentd
