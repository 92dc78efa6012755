// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <thread>

#include "base/ids.h"
#include "client/problem.h"
#include "client/reach.h"
#include "client/transfer.h"

namespace agentos::client {
namespace {

using std::chrono::steady_clock;

constexpr int kAttempts = 3;
constexpr Nanoseconds kPatience = std::chrono::seconds(5), kFirstPause = std::chrono::milliseconds(100);

Error timedOut(const std::string& socketPath, const Request& request) {
  auto millis = request.timeout / std::chrono::milliseconds(1);
  return {ErrorCode::kTimedOut,
          "agentd at " + socketPath + " did not answer " + request.method + " " + request.path + " within " +
              std::to_string(millis) + " ms",
          "ask again, or give it longer with --request-timeout",
          0,
          {}};
}

Error brokenOff(const std::string& socketPath, int code) {
  return {ErrorCode::kUnreachable,
          "the connection to agentd at " + socketPath + " broke: " + curl_easy_strerror(static_cast<CURLcode>(code)),
          "it may be restarting: ask again",
          0,
          {}};
}

// A stream's sink may have had a part already: what is lost there is its caller's to go on from.
Exchange exchangeUntilAnswered(void* curl, const std::string& socketPath, const Request& request,
                               const BodySink* sink) {
  auto done = exchange(curl, socketPath, request, sink);
  for (int attempt = 1; sink == nullptr && attempt < kAttempts && isLostAnswer(done.curlCode); ++attempt) {
    done = exchange(curl, socketPath, request, sink);
  }
  return done;
}

bool isAskedToComeBack(const Exchange& done) {
  constexpr int kUnavailable = 503;
  return done.curlCode == CURLE_OK && done.response.status == kUnavailable && done.retryAfter.count() > 0;
}

Exchange exchangePatiently(void* curl, const std::string& socketPath, const Request& request, const BodySink* sink) {
  const Nanoseconds patience = request.timeout > Nanoseconds{} ? std::min(request.timeout, kPatience) : kPatience;
  const auto end = steady_clock::now() + patience;
  auto done = exchangeUntilAnswered(curl, socketPath, request, sink);
  // A daemon is ready in milliseconds mostly: what it says is the longest pause, not the first.
  for (Nanoseconds pause = kFirstPause; isAskedToComeBack(done) && steady_clock::now() + pause < end;
       pause = std::min<Nanoseconds>(2 * pause, done.retryAfter)) {
    std::this_thread::sleep_for(pause);
    done = exchangeUntilAnswered(curl, socketPath, request, sink);
  }
  return done;
}

Result<Response> judge(Exchange done, const std::string& socketPath, const Request& request) {
  if (done.tooLarge) return fail(ErrorCode::kTooLarge, "the answer to " + request.path + " is larger than 256 MiB");
  if (done.stopped) return std::move(done.response);
  if (done.curlCode == CURLE_COULDNT_CONNECT) return std::unexpected(explainUnreachable(socketPath));
  if (done.curlCode == CURLE_OPERATION_TIMEDOUT) return std::unexpected(timedOut(socketPath, request));
  if (done.curlCode != CURLE_OK) return std::unexpected(brokenOff(socketPath, done.curlCode));
  const Response& response = done.response;
  if (response.status / 100 != 2) return std::unexpected(errorOf(response.status, response.contentType, response.body));
  return std::move(done.response);
}

}  // namespace

Client::Client(std::string socketPath) : socketPath_(std::move(socketPath)), curl_(curl_easy_init()) {}
Client::~Client() { curl_easy_cleanup(curl_); }

Result<Response> Client::send(const Request& asked) {
  AGENTOS_CHECK(checkSocketPath(socketPath_));
  Request request = asked;
  if (request.method == "POST" && request.idempotencyKey.empty()) request.idempotencyKey = randomToken(20);
  return judge(exchangePatiently(curl_, socketPath_, request, nullptr), socketPath_, request);
}

Result<Json> Client::call(const Request& request) {
  AGENTOS_TRY(auto response, send(request));
  if (response.body.empty()) return Json();
  auto value = parseJson(response.body);
  if (!value)
    return std::unexpected(std::move(value).error().within("the answer to " + request.method + " " + request.path));
  return value;
}

Result<void> Client::stream(const Request& asked, const std::function<bool(std::string_view)>& sink) {
  AGENTOS_CHECK(checkSocketPath(socketPath_));
  Request request = asked;
  request.timeout = {};
  AGENTOS_CHECK(judge(exchangePatiently(curl_, socketPath_, request, &sink), socketPath_, request));
  return {};
}

Result<void> Client::events(Request request, const std::function<bool(const ServerEvent&)>& sink) {
  request.accept = "text/event-stream";
  EventStreamParser parser;
  return stream(request, [&](std::string_view bytes) { return parser.feed(bytes, sink); });
}

Result<Json> Client::list(Request request, std::size_t atMost) {
  Json all = Json::array();
  while (true) {
    AGENTOS_TRY(Json page, call(request));
    auto items = page.find("items");
    if (items == page.end() || !items->is_array()) {
      return fail(ErrorCode::kInternal, "the answer to " + request.path + " has no items",
                  "is this agentctl as new as agentd?");
    }
    for (auto& item : *items) all.push_back(std::move(item));
    auto next = page.find("next");
    bool more = next != page.end() && next->is_string() && !items->empty();
    if (!more || all.size() >= atMost) return all;
    std::erase_if(request.query, [](const auto& field) { return field.first == "after"; });
    request.query.emplace_back("after", next->get<std::string>());
  }
}

}  // namespace agentos::client
