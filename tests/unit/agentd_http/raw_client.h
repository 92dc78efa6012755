// SPDX-License-Identifier: Apache-2.0
// An HTTP client that can misbehave: it sends the bytes it is told to, when it is told to.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/json.h"

namespace agentos::agentd::test {

struct RawAnswer {
  int status = 0;                              // 0: the connection ended before a whole head
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool whole = false;  // the body's end was seen
  Json json() const { return parseJson(body).value_or(Json()); }
  std::string header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    connected_ =
        ::connect(fd_.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) == 0;
  }
  explicit RawClient(Fd connected) : fd_(std::move(connected)), connected_(true) {}

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  void hangUp() { fd_.reset(); }
  void closeWriting() { ::shutdown(fd_.get(), SHUT_WR); }

  // More bytes into the buffer; false at the end or when nothing comes for `patience`.
  bool receive(std::chrono::milliseconds patience = std::chrono::seconds(5)) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return false;
    char bytes[65536];
    ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (count <= 0) ended_ = true;
    if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }
  bool ended() const { return ended_; }
  const std::string& received() const { return buffer_; }  // and not taken
  // Until `text` has come (it and what is before it are taken).
  bool receiveUntil(std::string_view text, std::string* taken = nullptr) {
    while (buffer_.find(text) == std::string::npos) {
      if (!receive()) return false;
    }
    auto end = buffer_.find(text) + text.size();
    if (taken != nullptr) *taken = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return true;
  }

  RawAnswer readAnswer(bool headOnly = false) {
    RawAnswer answer;
    std::string head;
    if (!receiveUntil("\r\n\r\n", &head)) return answer;
    parseHead(head, answer);
    if (headOnly || answer.status == 204 || answer.status == 100) {
      answer.whole = true;
    } else if (answer.header("transfer-encoding") == "chunked") {
      readChunks(answer);
    } else if (answer.headers.contains("content-length")) {
      std::size_t length = std::stoul(answer.header("content-length"));
      while (buffer_.size() < length && receive()) {
      }
      answer.whole = buffer_.size() >= length;
      answer.body = buffer_.substr(0, length);
      buffer_.erase(0, answer.body.size());
    } else {
      while (receive()) {
      }
      answer.whole = ended_;
      answer.body = std::exchange(buffer_, {});
    }
    return answer;
  }

  RawAnswer ask(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& headers = "") {
    send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body);
    return readAnswer(method == "HEAD");
  }

 private:
  static void parseHead(const std::string& head, RawAnswer& answer) {
    if (head.starts_with("HTTP/1.1 ")) answer.status = std::stoi(head.substr(9, 3));
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
      std::size_t end = head.find("\r\n", at), colon = head.find(": ", at);
      if (end == std::string::npos || colon == std::string::npos || colon > end) break;
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      answer.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
  }
  void readChunks(RawAnswer& answer) {
    std::string line;
    while (receiveUntil("\r\n", &line)) {
      std::size_t size = std::stoul(line, nullptr, 16);
      while (buffer_.size() < size + 2 && receive()) {
      }
      if (buffer_.size() < size + 2) return;
      answer.body += buffer_.substr(0, size);
      buffer_.erase(0, size + 2);
      if (size == 0) {
        answer.whole = true;
        return;
      }
    }
  }

  Fd fd_;
  bool connected_ = false, ended_ = false;
  std::string buffer_;
};

}  // namespace agentos::agentd::test
