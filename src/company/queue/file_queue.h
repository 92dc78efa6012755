// SPDX-License-Identifier: Apache-2.0
// The one implementation of TaskQueue. file_queue.cpp: opening, asking, adding and claiming; moves.cpp: everything that
// ends a claim or moves a task; refresh.cpp: what people did; recover.cpp: what a crash left.
#pragma once

#include <map>
#include <set>
#include <unordered_map>

#include "base/files.h"
#include "company/queue/claim_table.h"
#include "company/queue/index_cache.h"
#include "company/queue/ready_index.h"
#include "company/task_queue.h"

namespace agentos::company {

class FileTaskQueue final : public TaskQueue {
 public:
  FileTaskQueue(Company& company, const Clock& clock, TaskEventSink sink);
  ~FileTaskQueue() override;
  Result<void> load(Database& db);  // once, before anything else

  Result<TaskId> add(const NewTask& task) override;
  Result<Task> find(const TaskId& id) override;
  Result<std::vector<Task>> list(std::optional<TaskStatus> status) override;
  Result<NextTask> next(const AgentName& agent) override;
  Result<std::optional<Claim>> claim(const TaskId& task, const InstanceId& holder) override;
  Result<void> complete(const Claim& claim, const std::string& outcome, const Handoff& handoff,
                        const std::vector<std::string>& artifacts) override;
  Result<void> submit(const Claim& claim, const Handoff& handoff, const std::vector<std::string>& artifacts) override;
  Result<TaskStatus> failAttempt(const Claim& claim, const std::string& reason, const Handoff& handoff) override;
  Result<void> release(const Claim& claim, const std::string& reason, const Handoff& handoff) override;
  Result<void> move(const TaskId& task, TaskStatus to, const std::string& actor, const std::string& reason) override;
  Result<std::optional<Claim>> claimOf(const TaskId& task) override;
  Result<std::vector<Claim>> claims() override;
  Result<void> recover(const std::function<bool(const InstanceId&)>& isAlive) override;
  Result<std::optional<BootTime>> refresh(std::optional<TaskStatus> status) override;
  Result<std::optional<BootTime>> refreshFile(TaskStatus status, const std::string& name) override;

 private:
  struct Entry {
    TaskStatus status;
    FileStamp stamp;
    std::string packed;
    std::uint64_t seen = 0;  // the scan that saw it last
  };
  struct Loaded {
    Task task;
    FileStamp stamp;
    std::string text;
  };
  // A file that is no task, or cannot be read; looked at again when it changes, quarantined when it does not.
  struct Suspect {
    FileStamp stamp;
    BootTime since;
    std::string reason;
    bool isDuplicate = false, leftAlone = false;  // leftAlone: reported, and never moved by us
    std::uint64_t seen = 0;
  };
  using SuspectKey = std::pair<TaskStatus, std::string>;
  enum class Loudness : std::uint8_t { kSilent, kEvents };

  // The index (file_queue.cpp).
  Result<Loaded> loadRecord(TaskStatus status, const TaskId& id) const;
  bool isThere(TaskStatus status, const TaskId& id) const;
  bool isArchived(const TaskId& id) const;
  std::optional<TaskStatus> locate(const TaskId& id) const;
  void index(const TaskId& id, Entry entry, ReadyFacts facts);
  void index(const Loaded& loaded);
  void unindex(const TaskId& id);
  Result<void> reindex(TaskStatus status, const TaskId& id);  // after a change of ours
  void flushCache(bool everything);
  void emit(TaskEvent event) const { sink_(event); }

  // Adding and claiming (file_queue.cpp).
  Result<void> checkNew(const NewTask& task) const;
  Result<std::optional<TaskId>> createAs(const TaskId& id, const NewTask& task);
  Result<std::optional<Claim>> renameAndWrite(const Claim& claim);
  Result<void> undoClaim(const Claim& claim, bool renameBack);
  Result<void> writeClaim(const Claim& claim);
  static Task claimed(Task task, const Claim& claim);
  void dropClaim(const TaskId& task, std::int64_t epoch);
  void dropVoided();
  bool isVoided(const Claim& claim) const;

  // Moves (moves.cpp).
  Result<void> rewriteTask(TaskStatus status, const TaskId& id, const std::function<Result<Task>(Task)>& change);
  Result<void> checkClaim(const Claim& claim);
  Result<PendingMove> holdersMove(const Claim& claim, std::string kind, TaskStatus to) const;
  Result<void> perform(const PendingMove& move);
  Result<void> carryOut(const PendingMove& move);  // from the journal on; again after a crash
  Result<void> finish(const PendingMove& move);
  Result<void> abandon(const PendingMove& move, Error why);
  void tellCreator(const PendingMove& move, const Task& task) const;

  // What people did (refresh.cpp).
  Result<void> scan(TaskStatus status, Loudness loudness);
  Result<void> considerName(TaskStatus status, const std::string& name, Loudness loudness);
  Result<void> considerRecord(TaskStatus status, const TaskId& id, const FileStamp& stamp, Loudness loudness);
  Result<void> considerGone(const TaskId& id);
  void considerFailure(TaskStatus status, const TaskId& id, const FileStamp& stamp, const Error& error);
  void suspect(TaskStatus status, const std::string& name, const FileStamp& stamp, std::string reason,
               bool isDuplicate);
  std::optional<BootTime> quarantineQuiet();
  void quarantineNow(const SuspectKey& key, Suspect& suspect);
  std::optional<StoredClaim> revoke(const TaskId& id);
  void tellOutside(const char* kind, const TaskId& id, TaskStatus status, std::string detail,
                   const std::optional<StoredClaim>& revoked) const;

  // What a crash left (recover.cpp).
  Result<void> recoverClaim(const StoredClaim& stored, const std::function<bool(const InstanceId&)>& isAlive);
  Result<void> recoverKeys();
  Result<void> recoverOrphans(const std::function<bool(const InstanceId&)>& isAlive);
  Result<void> recoverMove(const PendingMove& move);
  Result<void> sweepTemporaries(TaskStatus status);
  bool isWorthKeeping(TaskStatus status, const std::string& temporary, const TaskId& id) const;

  Company& company_;
  const Clock& clock_;
  TaskEventSink sink_;
  std::string session_;  // whose claims in the database are ours
  std::unique_ptr<ClaimTable> claims_;
  std::unique_ptr<IndexCache> cache_;
  std::unordered_map<TaskId, Entry> entries_;
  ReadyIndex ready_;
  std::map<SuspectKey, Suspect> suspects_;
  std::set<TaskId> dirty_;  // entries that the cache does not have yet, or still has
  std::map<TaskId, std::int64_t>
      voided_;                  // claims undone that a full disk kept in the database: dropped when it can be
  std::set<TaskId> abandoned_;  // moves given up that are still in the journal, for the same reason
  BootTime flushed_{};
  std::uint64_t scan_ = 0;
  std::unordered_map<TaskId, CachedFile> cached_;  // only while loading
};

inline std::string fileOf(const TaskId& id) { return id.str() + ".md"; }

}  // namespace agentos::company
