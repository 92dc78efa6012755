// SPDX-License-Identifier: Apache-2.0
// One client of the spawner. What it does not read in time is not kept without end: then it is cut off.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "sandbox/protocol.h"

namespace agentos::sandbox {

class Connection {
 public:
  Connection(std::uint64_t number, Fd socket) : number_(number), socket_(std::move(socket)) {}

  std::uint64_t number() const { return number_; }
  int fd() const { return socket_.get(); }
  bool open() const { return static_cast<bool>(socket_); }
  bool wantsToWrite() const { return !unsent_.empty(); }

  // The next request, nothing when there is none; closes the connection at its end and after a malformed message.
  std::optional<Request> next();
  void reply(const Reply& reply, std::vector<Fd> fds);
  void flush();

 private:
  void cut(const Error& why);
  std::uint64_t number_;
  Fd socket_;
  std::deque<Packet> unsent_;
};

}  // namespace agentos::sandbox
