// SPDX-License-Identifier: Apache-2.0
// Writes heads of the audit log to root's file (anchor.h) in a thread of its own, so that who has them never waits for
// a disk: the first at once, then one a second at most, the newest of those that came meanwhile. A hostile writer of
// the log that sends more cannot have the honest heads thinned out.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "govern/audit_log.h"

namespace agentos::govern {

class AnchorKeeper {
 public:
  // `failed` is called in the thread, with what could not be kept, or was kept and contradicts what was before.
  AnchorKeeper(std::string path, const Clock& clock, std::function<void(const Error&)> failed,
               std::chrono::milliseconds every = std::chrono::seconds(1));
  // Writes what is still waiting.
  ~AnchorKeeper();
  AnchorKeeper(const AnchorKeeper&) = delete;
  AnchorKeeper& operator=(const AnchorKeeper&) = delete;

  // Never blocks for long.
  void offer(AuditHead head);

 private:
  void work();
  void keep(const AuditHead& head);

  const std::string path_;
  const Clock& clock_;
  const std::function<void(const Error&)> failed_;
  const std::chrono::milliseconds every_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<AuditHead> next_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace agentos::govern
