// SPDX-License-Identifier: Apache-2.0
#include "client/transfer.h"

#include <curl/curl.h>

namespace agentos::client {
namespace {

constexpr std::size_t kMaxBody = 256U << 20;

std::string escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string urlOf(const Request& request) {
  std::string url = "http://agentd" + request.path;
  char separator = request.path.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [key, value] : request.query) {
    if (value.empty()) continue;
    url += separator + escape(key) + "=" + escape(value);
    separator = '&';
  }
  return url;
}

class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  void add(const std::string& name, const std::string& value) {
    if (!value.empty()) list_ = curl_slist_append(list_, (name + ": " + value).c_str());
  }
  void leaveOut(const std::string& name) { list_ = curl_slist_append(list_, (name + ":").c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// What the callback of one transfer writes to.
struct Receiver {
  CURL* curl;
  const BodySink* sink;
  Exchange& result;

  bool isGood() const {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status / 100 == 2;
  }
  bool take(std::string_view bytes) {
    if (sink != nullptr && isGood()) {
      result.stopped = !(*sink)(bytes);
      return !result.stopped;
    }
    result.tooLarge = result.response.body.size() + bytes.size() > kMaxBody;
    if (!result.tooLarge) result.response.body += bytes;
    return !result.tooLarge;
  }
  static std::size_t write(char* bytes, std::size_t, std::size_t count, void* self) {
    return static_cast<Receiver*>(self)->take({bytes, count}) ? count : CURL_WRITEFUNC_ERROR;
  }
};

void setHeaders(HeaderList& headers, const Request& request) {
  headers.add("Accept", request.accept);
  headers.add("Idempotency-Key", request.idempotencyKey);
  headers.add("Last-Event-ID", request.lastEventId);
  headers.leaveOut("Expect");  // no "100-continue": the daemon is a hand away
  if (request.body) headers.add("Content-Type", "application/json");
}

}  // namespace

std::string pathOf(std::string_view base, std::initializer_list<std::string_view> parts) {
  std::string path(base);
  for (auto part : parts) {
    bool dots = part == "." || part == "..";  // which a URL parser would resolve
    path += "/" + (dots ? "%2E" + std::string(part.substr(1)) : escape(part));
  }
  return path;
}

bool isLostAnswer(int code) {
  return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
         code == CURLE_PARTIAL_FILE;
}

Exchange exchange(void* curl, const std::string& socketPath, const Request& request, const BodySink* sink) {
  Exchange result;
  Receiver receiver{curl, sink, result};
  HeaderList headers;
  setHeaders(headers, request);
  std::string url = urlOf(request), body = request.body ? dumpJson(*request.body) : "";
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socketPath.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  if (request.method != "GET") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout / std::chrono::milliseconds(1)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Receiver::write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
  result.curlCode = curl_easy_perform(curl);
  long status = 0;
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  result.response.status = static_cast<int>(status);
  curl_off_t retryAfter = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retryAfter);
  result.retryAfter = std::chrono::seconds(retryAfter);
  if (type != nullptr) result.response.contentType = type;
  return result;
}

}  // namespace agentos::client
