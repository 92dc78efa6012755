// SPDX-License-Identifier: Apache-2.0
// Names become addresses here and nowhere else: what was judged is what is connected to, so that a name that changes
// its mind (DNS rebinding) gains nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip_address.h"

namespace agentos::agentd::egress {

class Resolver {
 public:
  virtual ~Resolver() = default;
  // The addresses of a canonical name, in the order to try; never an empty list. kNotFound, kTimedOut, kUnavailable.
  virtual boost::asio::awaitable<Result<std::vector<IpAddress>>> resolve(std::string name) = 0;
};

// The machine's own way (getaddrinfo(3): /etc/hosts, DNS, what nsswitch.conf says), without the search list, on a few
// threads of its own. Who asks for what somebody else is asking for waits for the same answer; answers are kept for a
// moment, so that a page's hundred requests are one lookup.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(boost::asio::io_context& io);
  // Waits for lookups in work: no longer than the system's own time limit.
  ~SystemResolver() override;
  SystemResolver(const SystemResolver&) = delete;
  SystemResolver& operator=(const SystemResolver&) = delete;
  boost::asio::awaitable<Result<std::vector<IpAddress>>> resolve(std::string name) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Whether the address is one of this machine's, as the kernel routes it; nothing is sent.
bool isOwnAddress(const IpAddress& address);

}  // namespace agentos::agentd::egress
