// SPDX-License-Identifier: Apache-2.0
// Every step of the daemon goes through here: into the audit log first, then to whoever listens (SSE, tests). An
// event's number is its audit sequence, so a listener that comes back says the last number it saw and misses nothing.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "govern/audit_log.h"

namespace agentos::agentd {

class Events {
 public:
  Events(govern::AuditLog& log, std::string auditDirectory) : log_(log), auditDirectory_(std::move(auditDirectory)) {}
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // Durable on return (AuditLog::append), then told to the listeners.
  Result<govern::AuditEntry> record(govern::AuditEvent event);
  // Durable with the next record(): for what a crash may lose without harm to order.
  Result<govern::AuditEntry> note(govern::AuditEvent event);

  using Listener = std::function<void(const govern::AuditEntry&)>;
  // Called on the loop for every later event, until the returned handle goes.
  [[nodiscard]] std::shared_ptr<void> listen(Listener listener);
  const std::string& auditDirectory() const { return auditDirectory_; }
  govern::AuditLog& log() { return log_; }

 private:
  using Write = Result<govern::AuditEntry> (govern::AuditLog::*)(govern::AuditEvent);
  Result<govern::AuditEntry> keep(govern::AuditEvent event, Write write);
  void tell(const govern::AuditEntry& entry);
  govern::AuditLog& log_;
  std::string auditDirectory_;
  using Listeners = std::list<std::shared_ptr<Listener>>;
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace agentos::agentd
