// SPDX-License-Identifier: Apache-2.0
// What an agent finds at 127.0.0.1:4242 in its room: models (/v1/…) and itself (/self/…). A caller is known by the
// listener its call came in on, never by what it says. 4243 is the egress proxy's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <vector>

#include "agentd/egress/proxy.h"
#include "agentd/events.h"
#include "agentd/supervisor/supervisor.h"
#include "base/clock.h"
#include "company/layout.h"
#include "company/task_queue.h"
#include "models/ledger.h"
#include "models/meter.h"
#include "models/registry.h"

namespace agentos::agentd {

// All outlive the gateway. The meter's Settled callback (the composition root's) tells the supervisor of each settled
// call (Supervisor::countCall) and the audit log: it is also called for calls that were cut.
struct GatewayServices {
  boost::asio::io_context& io;
  const Clock& clock;
  Supervisor& supervisor;
  models::Meter& meter;
  const models::ModelRegistry& models;
  models::Ledger& ledger;
  Events& events;
  company::Company* company = nullptr;
  company::TaskQueue* queue = nullptr;
  boost::asio::thread_pool* pool = nullptr;  // for large bodies; null: they are the loop's too
  egress::Proxy* egress = nullptr;           // null: no room has a way out
};

// The caps that bind a run: the contract's budget and the company's.
models::Caps capsOf(const contract::Contract& contract, const company::Company* company);

class Gateway final : public RoomServer {
 public:
  explicit Gateway(GatewayServices services);
  ~Gateway() override;
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // listeners: 4242, then 4243; a room that is open already is opened again with the new ones.
  void openRoom(const InstanceId& id, std::vector<Fd> listeners) override;
  boost::asio::awaitable<void> closeRoom(const InstanceId& id) override;
  // For a stop of agentd itself: the rooms go on.
  boost::asio::awaitable<void> closeAll();
  std::size_t rooms() const { return rooms_.size(); }

 private:
  boost::asio::awaitable<void> close(InstanceId id, bool ended);
  struct Room;
  struct Applications;
  GatewayServices services_;
  std::unique_ptr<Applications> applications_;
  std::map<InstanceId, std::shared_ptr<Room>> rooms_;
};

}  // namespace agentos::agentd
