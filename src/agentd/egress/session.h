// SPDX-License-Identifier: Apache-2.0
// One call through a door: read, judged, connected, and then moved byte by byte. Nothing is kept of what flows but what
// a slow reader has not taken: at most one buffer each way.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "agentd/egress/client_hello.h"
#include "agentd/egress/door.h"
#include "agentd/egress/response_head.h"

namespace agentos::agentd::egress {

class Session final : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  // Null when the socket cannot be watched.
  static std::shared_ptr<Session> make(std::shared_ptr<Door> door, Fd accepted);
  explicit Session(std::shared_ptr<Door> door);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  boost::asio::awaitable<void> run();  // keeps the session alive meanwhile
  void cut();                          // both ends, at once

 private:
  enum class Way : std::uint8_t { kUp, kDown };
  using Done = Allowed<void>;  // a refusal that the client can still be told of

  boost::asio::awaitable<Done> serve();
  boost::asio::awaitable<Allowed<RequestHead>> readHead();
  boost::asio::awaitable<Allowed<std::vector<IpAddress>>> findAddresses();
  boost::asio::awaitable<Done> connect(std::vector<IpAddress> addresses);
  boost::asio::awaitable<bool> connectTo(IpAddress address, std::chrono::milliseconds patience);

  boost::asio::awaitable<void> tunnel();
  boost::asio::awaitable<bool> checkHello();
  boost::asio::awaitable<Done> exchange();
  boost::asio::awaitable<void> sendBody();
  boost::asio::awaitable<bool> sendLength();
  boost::asio::awaitable<bool> sendChunks();
  boost::asio::awaitable<void> watchClient();
  boost::asio::awaitable<Allowed<ResponseHead>> readAnswerHead();
  boost::asio::awaitable<bool> moveAnswer(ResponseHead head);

  // Reads into the shared buffer: the bytes, empty at the end; nothing when it failed, was cut, or a cap is reached.
  boost::asio::awaitable<std::optional<std::string_view>> take(Socket& from, Way way, std::size_t most);
  boost::asio::awaitable<bool> put(Socket& to, std::string_view bytes);
  boost::asio::awaitable<bool> putRest(Socket& to, std::string rest);
  boost::asio::awaitable<bool> moveAll(Socket& from, Socket& to, Way way);
  boost::asio::awaitable<bool> moveSome(Socket& from, Socket& to, Way way, std::uint64_t length);
  boost::asio::awaitable<void> answer(Refusal refusal);
  boost::asio::awaitable<void> linger();

  bool count(Way way, std::uint64_t bytes);  // false: a cap is reached
  bool isEnded() const { return gone_ || timedOut_; }
  void refuseLate(Refusal refusal);  // nobody can be told any more but the audit log
  void allow(std::chrono::milliseconds limit);
  void touch();
  void arm();
  void expire();

  std::shared_ptr<Door> door_;
  Socket client_, server_;
  boost::asio::steady_timer timer_, pace_, joined_;
  std::chrono::steady_clock::time_point deadline_{};
  std::string ahead_;  // came from the client after the head
  RequestHead head_;
  const Rule* rule_ = nullptr;
  Tally* tally_ = nullptr;
  std::string serverAhead_;
  bool gone_ = false, timedOut_ = false, halfOpen_ = false, otherDone_ = false, armed_ = false;
};

}  // namespace agentos::agentd::egress
