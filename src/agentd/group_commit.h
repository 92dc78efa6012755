// SPDX-License-Identifier: Apache-2.0
// One wait for the disk for all runs that begin or end together, beside the loop (docs/decisions/0008).
//
// Rows are written with RelaxedCommits and audit lines with Events::note; durable() returns when everything written
// before it was called is on disk. While one sync is under way the next callers gather, and share the one after it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/worker.h"
#include "base/error.h"
#include "base/fd.h"
#include "govern/audit_log.h"

namespace agentos::agentd {

class GroupCommit {
 public:
  // A sync of the database's log, or of the audit log, failed: what was answered before may be gone, and no later sync
  // says anything of it. Nothing that waits is told before `lost` returns; afterwards every wait fails, for good.
  using Lost = std::function<void(const Error&)>;
  // `wal`: the database's write-ahead log. It is there, and the same file, as long as the database is open.
  static Result<std::unique_ptr<GroupCommit>> open(boost::asio::any_io_executor executor, const std::string& wal,
                                                   govern::AuditLog& audit, Lost lost,
                                                   Worker::Mode mode = Worker::Mode::kThread);
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  // On the loop. An error: the disk did not take it, and what was written may be lost with the machine.
  boost::asio::awaitable<Result<void>> durable();
  std::size_t syncs() const { return syncs_; }

 private:
  struct Turn;
  using Turns = std::vector<std::shared_ptr<Turn>>;
  GroupCommit(boost::asio::any_io_executor executor, std::string path, Fd wal, govern::AuditLog& audit, Lost lost,
              Worker::Mode mode);
  void begin();
  void finish(const Turns& turns, Result<void> synced);
  Result<void> settle(Result<void> synced);

  boost::asio::any_io_executor executor_;
  Fd wal_;  // a description of its own: the database hears of a failed write by its own, too
  govern::AuditLog& audit_;
  std::string path_;
  Lost lost_;
  std::optional<Error> failed_;  // why nothing here is durable any more
  bool busy_ = false;
  std::size_t syncs_ = 0;
  Turns waiting_;
  std::shared_ptr<GroupCommit*> self_;  // empty when this is gone
  std::unique_ptr<Worker> worker_;
};

}  // namespace agentos::agentd
