// SPDX-License-Identifier: Apache-2.0
#include "runner/gateway_client.h"

#include "base/text.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kMostAnswer = 32 << 20;

std::size_t onBody(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& text = *static_cast<std::string*>(into);
  if (text.size() + size * count > kMostAnswer) return 0;
  text.append(bytes, size * count);
  return size * count;
}

const Json* memberOf(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string textOf(const Json& object, const char* key) {
  const Json* value = memberOf(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

std::string Reply::code() const {
  if (const Json* error = memberOf(body, "error")) return textOf(*error, "code");
  const std::string type = textOf(body, "type");
  return type.substr(type.rfind(':') + 1);
}

std::string Reply::message() const {
  std::string said;
  if (const Json* error = memberOf(body, "error")) said = textOf(*error, "message");
  if (said.empty()) {
    said = textOf(body, "detail");
    if (const std::string remedy = textOf(body, "remedy"); !remedy.empty()) said += "; " + remedy;
  }
  if (said.empty()) said = text.substr(0, 500);
  return status == 0 ? said : std::to_string(status) + " " + said;
}

GatewayClient::GatewayClient(std::string base, const std::atomic<bool>& stop, Nanoseconds heartbeat)
    : base_(std::move(base)), stop_(stop), heartbeat_(heartbeat), calls_(curl_easy_init()), beats_(curl_easy_init()) {}

GatewayClient::~GatewayClient() {
  curl_easy_cleanup(calls_);
  curl_easy_cleanup(beats_);
}

Reply GatewayClient::get(const std::string& path) {
  return perform(calls_, path, nullptr, std::chrono::seconds(30), true);
}

Reply GatewayClient::post(const std::string& path, const Json& body, Nanoseconds timeout) {
  const std::string text = dumpJson(body);
  return perform(calls_, path, &text, timeout, true);
}

Reply GatewayClient::postAnyway(const std::string& path, const Json& body) {
  const std::string text = dumpJson(body);
  return perform(calls_, path, &text, std::chrono::seconds(5), false);
}

void GatewayClient::beat() {
  const auto now = std::chrono::steady_clock::now();
  if (heartbeat_.count() <= 0 || now - lastBeat_ < heartbeat_) return;
  lastBeat_ = now;
  const std::string nothing = "{}";
  perform(beats_, "/self/heartbeat", &nothing, std::chrono::seconds(2),
          false);  // one that is lost is made up by the next
}

int GatewayClient::onProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& client = *static_cast<GatewayClient*>(self);
  client.beat();
  return client.stop_ ? 1 : 0;
}

Reply GatewayClient::perform(CURL* easy, const std::string& path, const std::string* body, Nanoseconds timeout,
                             bool heedStop) {
  Reply reply;
  const std::string url = base_ + path;
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  headers = curl_slist_append(headers, "Content-Type: application/json");
  curl_easy_reset(easy);  // options only: the connection is kept
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");  // the room's proxy variables are not for the gateway
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &onBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &reply.text);
  if (body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());
  }
  if (heedStop) {
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &GatewayClient::onProgress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
  }
  const CURLcode code = curl_easy_perform(easy);
  curl_slist_free_all(headers);
  if (code != CURLE_OK) {
    reply.text = url + ": " + curl_easy_strerror(code);
    return reply;
  }
  long status = 0;
  curl_off_t after = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
  reply.status = static_cast<int>(status);
  if (after > 0) reply.retryAfter = std::chrono::seconds(after);
  if (auto json = parseJson(reply.text)) reply.body = *std::move(json);
  return reply;
}

}  // namespace agentos::runner
