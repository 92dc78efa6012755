// SPDX-License-Identifier: Apache-2.0
// The runs, one row an instance, in agentd.db: committed before the room is asked for and when the run's end is in the
// books. What lies between is in the launch record, so a spawn costs one commit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/supervisor/instance.h"
#include "base/sqlite.h"

namespace agentos::agentd {

struct RunRow {
  InstanceView view;
  std::optional<company::Claim> claim;
  std::string bootId;
  std::optional<BootTime> deadline;  // of this boot id
  Nanoseconds timeLeft{0};
  Verdict::Word word = Verdict::Word::kNone;
  EndCause cause = EndCause::kOwn;
  std::string exitText;  // exit.json as it was read
  bool ended = false;
};

class RunTable {
 public:
  static Result<std::unique_ptr<RunTable>> open(Database& db, std::string bootId);

  Result<void> update(const Instance& instance);  // also marks it ended when the instance is booked
  // The same without waiting for the disk: durable with the next commit, or with GroupCommit::durable.
  Result<void> updateSoon(const Instance& instance);
  Result<void> removeSoon(const InstanceId& id);
  // Newest first.
  Result<std::vector<RunRow>> load();
  const std::string& bootId() const { return bootId_; }
  Database& database() { return db_; }

 private:
  RunTable(Database& db, std::string bootId, SqlStatement write, SqlStatement erase)
      : db_(db), bootId_(std::move(bootId)), write_(std::move(write)), erase_(std::move(erase)) {}
  Database& db_;
  std::string bootId_;
  SqlStatement write_, erase_;
};

}  // namespace agentos::agentd
