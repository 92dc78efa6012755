// SPDX-License-Identifier: Apache-2.0
#include "fake_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <optional>
#include <sstream>

#include "base/json.h"

namespace agentos::testing {
namespace {

int listenAt(const std::string& path) {
  ::unlink(path.c_str());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const void* place = &address;
  ::bind(fd, static_cast<const sockaddr*>(place), sizeof address);
  ::listen(fd, 16);
  return fd;
}

void sendAll(int fd, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    auto n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<std::size_t>(n);
  }
}

// One request, or none when the client has hung up.
std::optional<Asked> readRequest(int fd, std::string& buffer) {
  char block[4096];
  std::size_t end = 0;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    auto n = ::recv(fd, block, sizeof block, 0);
    if (n <= 0) return std::nullopt;
    buffer.append(block, static_cast<std::size_t>(n));
  }
  Asked asked;
  std::istringstream head(buffer.substr(0, end));
  std::string line;
  head >> asked.method >> asked.target;
  std::getline(head, line);
  while (std::getline(head, line)) {
    auto colon = line.find(':');
    std::string name = line.substr(0, colon), value = line.substr(colon + 1);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    value.erase(0, value.find_first_not_of(' '));
    value.erase(value.find_last_not_of("\r ") + 1);
    asked.headers[name] = value;
  }
  buffer.erase(0, end + 4);
  std::size_t length = asked.headers.contains("content-length") ? std::stoul(asked.headers["content-length"]) : 0;
  while (buffer.size() < length) {
    auto n = ::recv(fd, block, sizeof block, 0);
    if (n <= 0) return std::nullopt;
    buffer.append(block, static_cast<std::size_t>(n));
  }
  asked.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return asked;
}

}  // namespace

FakeServer::FakeServer(std::string path)
    : path_(std::move(path)), listener_(listenAt(path_)), thread_([this] { serve(); }) {}

FakeServer::~FakeServer() {
  stopping_ = true;
  thread_.join();
  ::close(listener_);
  ::unlink(path_.c_str());
}

void FakeServer::on(const std::string& methodAndPath, Answer answer) {
  on(methodAndPath, [answer = std::move(answer)](const Asked&, int) { return answer; });
}

void FakeServer::on(const std::string& methodAndPath, std::function<Answer(const Asked&, int)> answer) {
  std::lock_guard lock(mutex_);
  answers_[methodAndPath] = std::move(answer);
}

std::vector<Asked> FakeServer::asked() const {
  std::lock_guard lock(mutex_);
  return asked_;
}

Asked FakeServer::last() const {
  std::lock_guard lock(mutex_);
  return asked_.empty() ? Asked{} : asked_.back();
}

void FakeServer::serve() {
  while (!stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    timeval patience{1, 0};
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    talk(connection);
    ::close(connection);
  }
}

Answer FakeServer::answerTo(const Asked& asked) {
  std::lock_guard lock(mutex_);
  asked_.push_back(asked);
  std::string key = asked.method + " " + asked.target.substr(0, asked.target.find('?'));
  auto found = answers_.find(key);
  if (found == answers_.end()) return problem(404, "not_found", "the fake server has nothing for " + key);
  return found->second(asked, counts_[key]++);
}

void FakeServer::talk(int connection) {
  std::string buffer;
  auto asked = readRequest(connection, buffer);
  if (!asked) return;
  Answer answer = answerTo(*asked);
  for (int waited = 0; waited < answer.delayMs && !stopping_; waited += 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (answer.cut && answer.chunks.empty()) return;
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " X\r\nContent-Type: " + answer.contentType +
                     "\r\nConnection: close\r\n";
  if (answer.retryAfter > 0) head += "Retry-After: " + std::to_string(answer.retryAfter) + "\r\n";
  if (answer.chunks.empty()) {
    sendAll(connection, head + "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body);
    return;
  }
  sendAll(connection, head + "Transfer-Encoding: chunked\r\n\r\n");
  for (const auto& chunk : answer.chunks) {
    std::ostringstream size;
    size << std::hex << chunk.size();
    sendAll(connection, size.str() + "\r\n" + chunk + "\r\n");
  }
  if (!answer.cut) sendAll(connection, "0\r\n\r\n");
}

Answer problem(int status, const std::string& code, const std::string& detail, const std::string& remedy) {
  Json document = {
      {"type", "urn:agentos:error:" + code}, {"title", "t"}, {"status", status}, {"code", code}, {"detail", detail}};
  if (!remedy.empty()) document["remedy"] = remedy;
  return {.status = status, .body = document.dump(), .contentType = "application/problem+json"};
}

}  // namespace agentos::testing
