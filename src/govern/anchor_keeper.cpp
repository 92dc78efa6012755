// SPDX-License-Identifier: Apache-2.0
#include "govern/anchor_keeper.h"

#include "govern/anchor.h"

namespace agentos::govern {

AnchorKeeper::AnchorKeeper(std::string path, const Clock& clock, std::function<void(const Error&)> failed,
                           std::chrono::milliseconds every)
    : path_(std::move(path)), clock_(clock), failed_(std::move(failed)), every_(every), thread_([this] { work(); }) {}

AnchorKeeper::~AnchorKeeper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void AnchorKeeper::offer(AuditHead head) {
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(head);
  }
  changed_.notify_one();
}

void AnchorKeeper::keep(const AuditHead& head) {
  auto kept = appendAnchor(path_, head, clock_.now());
  if (!kept) return failed_(kept.error());
  if (*kept != Anchored::kBackwards) return;
  failed_(fail(ErrorCode::kAuditBroken,
               "event " + std::to_string(head.sequence) + " is anchored after one that it does not go on from",
               "one of the two is a lie, or the log was cut: `agentctl audit verify`")
              .error());
}

void AnchorKeeper::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || next_; });
    if (!next_) return;
    const AuditHead head = *std::move(next_);
    next_.reset();
    lock.unlock();
    keep(head);
    lock.lock();
    changed_.wait_for(lock, every_, [this] { return ending_; });
  }
}

}  // namespace agentos::govern
