// SPDX-License-Identifier: Apache-2.0
#include "models/http_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace agentos::models {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostBuffered = 256 << 10;
constexpr std::size_t kMostHeaderBytes = 256 << 10;

long milliseconds(Nanoseconds time) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

}  // namespace

HttpExchange::HttpExchange(CurlLoop& loop, HttpPost post)
    : loop_(loop),
      post_(std::move(post)),
      easy_(curl_easy_init()),
      signal_(loop.executor()),
      detail_(CURL_ERROR_SIZE, '\0') {
  for (const std::string& header : post_.headers) headers_ = curl_slist_append(headers_, header.c_str());
  headers_ = curl_slist_append(headers_, "Expect:");  // no 100-continue: it costs a round trip, or a second of waiting
  curl_easy_setopt(easy_, CURLOPT_URL, post_.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post_.body.size()));
  curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, post_.body.data());
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(post_.connectTimeout));
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, detail_.data());
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &HttpExchange::onHeader);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &HttpExchange::onBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
}

HttpExchange::~HttpExchange() {
  loop_.remove(easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

Result<void> HttpExchange::start() {
  return loop_.add(easy_, [this](CURLcode code) {
    ended_ = code;
    wake();
  });
}

// Interim answers (1xx) have headers of their own, and are passed over.
std::size_t HttpExchange::onHeader(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<HttpExchange*>(self);
  const std::string_view line(bytes, size * count);
  exchange.headerBytes_ += line.size();
  if (exchange.headerBytes_ > kMostHeaderBytes) return 0;
  if (line != "\r\n" && line != "\n") return line.size();
  long status = 0;
  curl_easy_getinfo(exchange.easy_, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200) {
    exchange.headDone_ = true;
    exchange.wake();
  }
  return line.size();
}

std::size_t HttpExchange::onBody(char* bytes, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<HttpExchange*>(self);
  if (!exchange.buffer_.empty() && exchange.buffer_.size() + size * count > kMostBuffered) {
    exchange.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  exchange.buffer_.append(bytes, size * count);
  exchange.wake();
  return size * count;
}

asio::awaitable<void> HttpExchange::wait(Deadline deadline) {
  signal_.expires_at(deadline);
  co_await signal_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<Result<HttpHead>> HttpExchange::head(Deadline deadline) {
  while (!headDone_ && !ended_) {
    if (std::chrono::steady_clock::now() >= deadline)
      co_return fail(ErrorCode::kTimedOut, post_.url + " sent no answer in time",
                     "raise its first_byte_timeout, or look at the endpoint");
    co_await wait(deadline);
  }
  if (!headDone_) co_return std::unexpected(brokenBy(*ended_));
  co_return readHead();
}

asio::awaitable<Result<std::string>> HttpExchange::read(Deadline deadline) {
  while (buffer_.empty() && !ended_) {
    if (paused_) {
      paused_ = false;
      curl_easy_pause(easy_, CURLPAUSE_CONT);  // may deliver at once
      continue;
    }
    if (std::chrono::steady_clock::now() >= deadline)
      co_return fail(ErrorCode::kTimedOut, post_.url + " stopped in mid-answer",
                     "raise its idle_timeout, or look at the endpoint");
    co_await wait(deadline);
  }
  if (!buffer_.empty()) co_return std::exchange(buffer_, {});
  if (*ended_ != CURLE_OK) co_return std::unexpected(brokenBy(*ended_));
  co_return std::string();
}

bool HttpExchange::sent() const {
  curl_off_t uploaded = 0;
  curl_easy_getinfo(easy_, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  return uploaded >= static_cast<curl_off_t>(post_.body.size());
}

Error HttpExchange::brokenBy(CURLcode code) const {
  const std::string why = detail_.c_str()[0] ? detail_.c_str() : curl_easy_strerror(code);
  const bool unreached = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                         code == CURLE_COULDNT_RESOLVE_PROXY || (code == CURLE_OPERATION_TIMEDOUT && !sent());
  return fail(unreached ? ErrorCode::kUnreachable : ErrorCode::kModelUpstream, post_.url + ": " + why,
              unreached ? "check that the endpoint runs and base_url is right" : "")
      .error();
}

HttpHead HttpExchange::readHead() const {
  HttpHead head;
  long status = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  head.status = static_cast<int>(status);
  const char* type = nullptr;
  if (curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type) head.contentType = type;
  curl_off_t retryAfter = 0;
  if (curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &retryAfter) == CURLE_OK && retryAfter > 0)
    head.retryAfter = std::chrono::seconds(retryAfter);
  return head;
}

}  // namespace agentos::models
