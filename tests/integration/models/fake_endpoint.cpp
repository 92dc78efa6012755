// SPDX-License-Identifier: Apache-2.0
#include "fake_endpoint.h"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <list>
#include <thread>

namespace agentos {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

std::string FakeRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (boost::beast::iequals(key, name)) return value;
  return {};
}

void FakeConnection::answer(int status, std::string_view body, std::string_view extraHeaders, std::string_view type) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Said\r\nContent-Type: ";
  text.append(type).append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n");
  write(text.append(extraHeaders).append("\r\n").append(body));
}

void FakeConnection::beginStream() {
  write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
}

bool FakeConnection::chunk(std::string_view bytes) {
  char size[32];
  snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return write(std::string(size).append(bytes).append("\r\n"));
}

bool FakeConnection::event(std::string_view data) { return chunk(std::string("data: ").append(data).append("\n\n")); }

void FakeConnection::endStream() { write("0\r\n\r\n"); }

struct FakeEndpoint::State {
  asio::io_context context;
  tcp::acceptor acceptor{context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  Handler handler;
  mutable std::mutex mutex;
  std::condition_variable stopping;
  bool stopped = false;
  int connections = 0;
  std::vector<FakeRequest> seen;
  std::list<std::shared_ptr<tcp::socket>> sockets;
  std::vector<std::thread> threads;
  std::thread accepting;

  void accept();
  void serve(const std::shared_ptr<tcp::socket>& socket, int number);
};

namespace {

class SocketConnection final : public FakeConnection {
 public:
  SocketConnection(tcp::socket& socket, std::mutex& mutex, std::condition_variable& stopping, bool& stopped)
      : socket_(socket), mutex_(mutex), stopping_(stopping), stopped_(stopped) {}
  bool write(std::string_view bytes) override {
    boost::system::error_code error;
    asio::write(socket_, asio::buffer(bytes), error);
    return !error;
  }
  bool clientGone() override {
    char byte;
    const auto got = recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }
  void close() override {
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    closed = true;
  }
  void sleep(std::chrono::milliseconds time) override {
    std::unique_lock lock(mutex_);
    stopping_.wait_for(lock, time, [this] { return stopped_; });
  }
  bool closed = false;

 private:
  tcp::socket& socket_;
  std::mutex& mutex_;
  std::condition_variable& stopping_;
  bool& stopped_;
};

}  // namespace

void FakeEndpoint::State::accept() {
  for (;;) {
    auto socket = std::make_shared<tcp::socket>(context);
    boost::system::error_code error;
    acceptor.accept(*socket, error);
    const std::lock_guard lock(mutex);
    if (error || stopped) return;
    socket->set_option(tcp::no_delay(true), error);
    sockets.push_back(socket);
    threads.emplace_back([this, socket, number = ++connections] { serve(socket, number); });
  }
}

void FakeEndpoint::State::serve(const std::shared_ptr<tcp::socket>& socket, int number) {
  SocketConnection connection(*socket, mutex, stopping, stopped);
  boost::beast::flat_buffer buffer;
  while (!connection.closed) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(64 << 20);
    boost::system::error_code error;
    http::read(*socket, buffer, parser, error);
    if (error) break;
    const auto& message = parser.get();
    FakeRequest request{
        std::string(message.method_string()), std::string(message.target()), message.body(), {}, number};
    for (const auto& field : message)
      request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    {
      const std::lock_guard lock(mutex);
      if (stopped) return;
      seen.push_back(request);
    }
    handler(request, connection);
  }
  connection.close();
}

FakeEndpoint::FakeEndpoint(Handler handler) : state_(std::make_shared<State>()) {
  state_->handler = std::move(handler);
  state_->accepting = std::thread([state = state_.get()] { state->accept(); });
}

FakeEndpoint::~FakeEndpoint() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    for (const auto& socket : state_->sockets) ::shutdown(socket->native_handle(), SHUT_RDWR);
  }
  state_->stopping.notify_all();
  ::shutdown(state_->acceptor.native_handle(), SHUT_RDWR);  // wakes accept()
  state_->accepting.join();
  for (auto& thread : state_->threads) thread.join();
}

int FakeEndpoint::port() const { return state_->acceptor.local_endpoint().port(); }

std::vector<FakeRequest> FakeEndpoint::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->seen;
}

int FakeEndpoint::connections() const {
  const std::lock_guard lock(state_->mutex);
  return state_->connections;
}

}  // namespace agentos
