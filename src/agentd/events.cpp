// SPDX-License-Identifier: Apache-2.0
#include "agentd/events.h"

#include <utility>
#include <vector>

namespace agentos::agentd {

namespace {

// A disk that was full or read-only may have room again. A log that was tampered with is not opened again.
bool mayHavePassed(const Error& error) {
  return error.code == ErrorCode::kDiskFull || error.code == ErrorCode::kReadOnly;
}

}  // namespace

// A log that a write stopped is opened again with the next event: no step after a full disk goes unrecorded.
Result<govern::AuditEntry> Events::keep(govern::AuditEvent event, Write write) {
  auto entry = (log_.*write)(event);
  if (entry || !mayHavePassed(entry.error())) return entry;
  if (!log_.reopen()) return entry;
  return (log_.*write)(std::move(event));
}

Result<govern::AuditEntry> Events::record(govern::AuditEvent event) {
  AGENTOS_TRY(auto entry, keep(std::move(event), &govern::AuditLog::append));
  tell(entry);
  return entry;
}

Result<govern::AuditEntry> Events::note(govern::AuditEvent event) {
  AGENTOS_TRY(auto entry, keep(std::move(event), &govern::AuditLog::appendSoon));
  tell(entry);
  return entry;
}

std::shared_ptr<void> Events::listen(Listener listener) {
  auto place = listeners_->insert(listeners_->end(), std::make_shared<Listener>(std::move(listener)));
  // The list is held weakly: a handle that outlives Events is harmless.
  std::weak_ptr<Listeners> weak = listeners_;
  return {static_cast<void*>(nullptr), [weak, place](void*) {
            if (auto list = weak.lock()) list->erase(place);
          }};
}

void Events::tell(const govern::AuditEntry& entry) {
  // A listener may go, and take others with it, while it is told: who is gone is not called.
  std::vector<std::weak_ptr<Listener>> present(listeners_->begin(), listeners_->end());
  for (const auto& weak : present) {
    if (auto listener = weak.lock()) (*listener)(entry);
  }
}

}  // namespace agentos::agentd
