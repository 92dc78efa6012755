// SPDX-License-Identifier: Apache-2.0
// /v1/chat/completions and /v1/models, in the shape of the OpenAI API, so that its clients run unchanged. Errors have
// that API's shape too, with our code in it; a refusal for lack of budget says x-should-retry: false, or clients try
// again.
#include <functional>
#include <memory>

#include "agentd/api/on_pool.h"
#include "agentd/gateway/room_calls.h"
#include "models/upstream.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

constexpr std::size_t kLargeBody = std::size_t{256} << 10;  // parsed and measured on the pool: it takes milliseconds
constexpr auto kLongestCall = std::chrono::minutes(10);

// The endpoint's own status only where the agent can act on it; that our key is wrong is not the agent's fault.
int statusOf(const Error& error) {
  auto upstream = models::upstreamStatus(error);
  if (upstream && (*upstream == 400 || *upstream == 413 || *upstream == 422 || *upstream == 429)) return *upstream;
  return infoOf(error.code).httpStatus;
}

std::string_view typeOf(const Error& error, int status) {
  if (error.code == ErrorCode::kBudgetExhausted) return "insufficient_quota";
  if (status == 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

Json errorJson(const Error& error) {
  return {{"error",
           {{"message", error.message()},
            {"type", typeOf(error, statusOf(error))},
            {"param", nullptr},
            {"code", infoOf(error.code).name}}}};
}

Response failure(const Error& error) {
  Response response = http::json(errorJson(error), statusOf(error));
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

std::string frameOf(const Json& value) { return "data: " + dumpJson(value) + "\n\n"; }

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
  if (caller.room.deadline) {
    Nanoseconds left = *caller.room.deadline - services.clock.now();
    metered.timeout = std::clamp<Nanoseconds>(left, std::chrono::seconds(1), kLongestCall);
  }
  return metered;
}

// An error in mid-stream: said in an event, and the stream ends without its end mark, so nobody takes it for whole.
asio::awaitable<Response> breakOff(Stream& stream, Json error) {
  std::string frame = frameOf(error);
  co_await stream.write(std::move(frame));
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

// The values lie with the work until it is done, so that a call that is cut meanwhile leaves nothing to touch.
asio::awaitable<Result<Json>> parseBody(models::Offload offload, RequestPtr request) {
  auto parsed = std::make_shared<Result<Json>>();
  co_await models::runOffloaded(offload, [parsed, request] { *parsed = parseJson(request->body); });
  co_return std::move(*parsed);
}

asio::awaitable<Response> complete(const GatewayServices& services, Caller caller, Json body, models::Offload offload,
                                   Stream& stream) {
  if (auto turn = takeTurn(caller); !turn) co_return failure(turn.error());
  auto streamed = body.find("stream");
  bool asStream = streamed != body.end() && *streamed == true;
  models::ChunkSink sink = [&stream](const Json& chunk) { return pass(stream, frameOf(chunk)); };
  auto metered = meteredOf(services, caller, std::move(body));
  metered.offload = std::move(offload);
  auto answer = co_await services.meter.complete(std::move(metered), std::move(sink));
  if (!answer) {
    if (wasRefused(answer.error())) --caller.count->turns;
    if (stream.begun()) co_return co_await breakOff(stream, errorJson(answer.error()));
    co_return failure(answer.error());
  }
  if (!asStream) co_return http::json(answer->answer.body);
  co_await pass(stream, "data: [DONE]\n\n");
  co_return Response{};
}

asio::awaitable<Response> chat(const GatewayServices& services, FindCaller find, RequestPtr request, Stream& stream) {
  auto caller = find(*request);
  if (!caller) co_return failure(caller.error());
  const auto offload = offloadOf(services, request->body.size());
  auto body = co_await parseBody(offload, request);
  if (!body || !body->is_object()) {
    std::string why = body ? "it is a JSON " + std::string(body->type_name()) : body.error().message();
    co_return failure({ErrorCode::kModelRequest,
                       "the request body: " + why,
                       "send a Chat Completions request as a JSON object",
                       0,
                       {}});
  }
  co_return co_await complete(services, std::move(*caller), std::move(*body), offload, stream);
}

asio::awaitable<Response> models(const GatewayServices& services, FindCaller find, RequestPtr request) {
  auto caller = find(*request);
  if (!caller) co_return failure(caller.error());
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
  router.add({"POST", "/v1/chat/completions", kOpen,
              [&services, find](RequestPtr request, Stream& stream) {
                return chat(services, find, std::move(request), stream);
              },
              http::Hangup::kCut});
  router.add({"GET", "/v1/models", kOpen,
              [&services, find](RequestPtr request, Stream&) { return models(services, find, std::move(request)); }});
}

}  // namespace agentos::agentd
