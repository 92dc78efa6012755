// SPDX-License-Identifier: Apache-2.0
// One connection of a Server: reads a request, runs its handler, writes the answer, and again. Included by the server's
// two translation units only (Asio and Beast are slow to compile).
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <memory>
#include <set>
#include <string>

#include "agentd/http/server.h"

namespace agentos::agentd::http {

class Connection;

struct Server::State {
  State(boost::asio::io_context& loop, Application& served, ServerOptions chosen)
      : io(loop), application(served), options(std::move(chosen)), changed(loop) {}
  boost::asio::io_context& io;
  Application& application;
  ServerOptions options;
  std::set<Connection*> connections;
  std::set<boost::asio::posix::stream_descriptor*> listeners;
  boost::asio::steady_timer changed;  // cancelled when a connection goes
  std::uint64_t accepted = 0;
  std::size_t bodyBytes = 0;  // held by all connections
  bool closing = false;

  // The connection that is missed least: longest idle, else longest in reading a request. False when all are served.
  bool evictOne();
  void closeListeners();
};

class Connection final : public Stream, public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  enum class Phase : std::uint8_t { kIdle, kReading, kServing, kClosing };

  Connection(std::shared_ptr<Server::State> server, Socket socket);
  ~Connection() override;
  boost::asio::awaitable<void> run();  // keeps the connection alive meanwhile

  Phase phase() const { return phase_; }
  bool isGone() const { return gone_; }
  std::uint64_t since() const { return since_; }  // order of the last change of phase
  // Ends reading and writing at once; a handler that may be cut is cancelled.
  void cut();
  // The same for what serves nobody now; a request in work is the last.
  void finish();

  boost::asio::awaitable<bool> begin(Response head) override;
  boost::asio::awaitable<bool> write(std::string bytes) override;
  void abort() override { aborted_ = true; }
  bool begun() const override { return begun_; }

 private:
  boost::asio::awaitable<bool> awaitRequest();
  boost::asio::awaitable<std::shared_ptr<Request>> readRequest();
  boost::asio::awaitable<bool> serve(std::shared_ptr<Request> request);
  boost::asio::awaitable<Response> handle(const Route& route, std::shared_ptr<Request> request);
  boost::asio::awaitable<bool> send(Response response);
  boost::asio::awaitable<bool> endStream();
  boost::asio::awaitable<bool> put(std::string head, std::string body);
  std::size_t sendNow(std::string& head, std::string& body);
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<void> refuse(boost::system::error_code error);
  boost::asio::awaitable<void> refuseCrowded();
  bool holdBody(std::size_t size);  // false: all bodies together are too much
  void releaseBody();
  std::string headOf(const Response& response, bool streaming) const;
  void enter(Phase phase);
  void deadline(std::chrono::milliseconds limit);
  void noDeadline();
  void watch();
  void peek();

  std::shared_ptr<Server::State> server_;
  Socket socket_;
  boost::asio::steady_timer timer_;
  boost::asio::cancellation_signal cancel_;
  boost::beast::flat_buffer buffer_;
  Peer peer_;
  Phase phase_ = Phase::kIdle;
  std::uint64_t since_ = 0;
  std::size_t bodyHeld_ = 0;
  std::uint64_t deadlines_ = 0;  // tells a timer that was late from the one in force
  bool timedOut_ = false, gone_ = false, keepAlive_ = true, cuttable_ = false;
  bool headOnly_ = false, http10_ = false, begun_ = false, aborted_ = false, watching_ = false;
};

}  // namespace agentos::agentd::http
