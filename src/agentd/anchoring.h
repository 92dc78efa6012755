// SPDX-License-Identifier: Apache-2.0
// Keeps the audit log's head where agentd cannot reach it: with the spawner once a second, in the journal once an hour.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <optional>

#include "agentd/alarms.h"
#include "govern/audit_log.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

class Anchoring {
 public:
  struct Parts {
    boost::asio::io_context& io;
    const Clock& clock;
    Alarms& alarms;
    sandbox::Spawner& spawner;
    govern::AuditLog& audit;
  };
  explicit Anchoring(Parts parts) : parts_(parts) {}
  Anchoring(const Anchoring&) = delete;
  Anchoring& operator=(const Anchoring&) = delete;

  // What was only noted becomes durable, and the anchor hears of the head: once for all events of a second.
  void soon();
  // The head of a log that ends here, to the spawner and the journal. Waits a second at most.
  boost::asio::awaitable<void> last();

 private:
  void tellHead();
  boost::asio::awaitable<void> anchorHead();
  boost::asio::awaitable<bool> keepHead(govern::AuditHead head);
  boost::asio::awaitable<void> keepLastHead();

  Parts parts_;
  std::uint64_t anchored_ = 0;  // the head that the spawner has
  bool due_ = false, anchoring_ = false, fails_ = false;
  std::optional<BootTime> told_;
};

}  // namespace agentos::agentd
