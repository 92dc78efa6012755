// SPDX-License-Identifier: Apache-2.0
#include "agentd/events.h"

#include <utility>
#include <vector>

namespace agentos::agentd {

Result<govern::AuditEntry> Events::record(govern::AuditEvent event) {
  AGENTOS_TRY(auto entry, log_.append(std::move(event)));
  tell(entry);
  return entry;
}

Result<govern::AuditEntry> Events::note(govern::AuditEvent event) {
  AGENTOS_TRY(auto entry, log_.appendSoon(std::move(event)));
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
