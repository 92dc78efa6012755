// SPDX-License-Identifier: Apache-2.0
// agentd's word to an agent-init, over its control socket (init_protocol.h): one request at a time, each with a
// deadline.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/init_protocol.h"

namespace agentos::sandbox {

class InitClient {
 public:
  // A connection that somebody else made (the spawner passes one up).
  InitClient(boost::asio::any_io_executor executor, Fd connected);
  // "<id>.sock" in <run>/instances; kUnreachable when nobody listens there.
  static Result<std::unique_ptr<InitClient>> connect(boost::asio::any_io_executor executor, int runDir,
                                                     const std::string& name);
  ~InitClient();
  InitClient(const InitClient&) = delete;
  InitClient& operator=(const InitClient&) = delete;

  // kUnreachable when agent-init is gone, kTimedOut after 2 s (the connection is closed then: a late reply would be
  // taken for the next one's), kRefused with its reason, kSandboxProtocol. Not to be called while another call is under
  // way.
  boost::asio::awaitable<Result<InitReply>> hello();
  boost::asio::awaitable<Result<void>> signal(int number);
  boost::asio::awaitable<Result<void>> endNow();
  boost::asio::awaitable<Result<std::vector<Fd>>> listeners();

 private:
  struct Socket;
  struct Answer {
    InitReply reply;
    std::vector<Fd> descriptors;
  };
  boost::asio::awaitable<Result<Answer>> ask(InitRequest request);

  std::unique_ptr<Socket> socket_;
};

inline constexpr std::chrono::seconds kInitReplyDeadline{2};

}  // namespace agentos::sandbox
