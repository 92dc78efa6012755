// SPDX-License-Identifier: Apache-2.0
#include "company/queue/file_queue.h"

#include <algorithm>

#include "base/fault.h"
#include "base/text.h"
#include "company/front_matter.h"

namespace agentos::company {
namespace {

// Where a file is believed when copies lie in two directories: the furthest along, a running one first.
constexpr TaskStatus kBelieved[] = {TaskStatus::kInProgress, TaskStatus::kInReview, TaskStatus::kDone,
                                    TaskStatus::kFailed,     TaskStatus::kDeclined, TaskStatus::kQueued,
                                    TaskStatus::kBacklog};
constexpr std::size_t kMaxTitle = 1024, kMaxBody = std::size_t{512} << 10, kMaxWord = 256, kMaxList = 256;
constexpr std::size_t kSessionLength = 12;
constexpr std::size_t kFlushAt = 256;
constexpr auto kFlushAfter = std::chrono::seconds(30);

std::unexpected<Error> refuseField(const std::string& field, const std::string& what, const std::string& remedy) {
  return fail(ErrorCode::kInvalidArgument, field + ": " + what, remedy);
}

Result<void> checkText(const std::string& field, const std::string& text, std::size_t limit) {
  if (text.size() > limit) {
    return fail(ErrorCode::kTooLarge, field + ": " + std::to_string(text.size()) + " bytes",
                "at most " + std::to_string(limit) + " bytes");
  }
  if (!isValidUtf8(text) || text.contains('\0')) return refuseField(field, "not valid UTF-8 text", "text in UTF-8");
  return {};
}

Result<void> checkAssigned(const Task& task, const InstanceId& holder) {
  AGENTOS_TRY(const AgentName agent, AgentName::parse(agentOf(holder)));
  if (isAssignedTo(task.assignedTo, agent)) return {};
  return fail(ErrorCode::kRefused, task.id.str() + " is assigned to " + task.assignedTo + ", not to " + agent.str(),
              "claim it as that agent");
}

Task taskOf(const NewTask& wanted, const TaskId& id, Timestamp now) {
  Task task;
  task.id = id;
  task.status = wanted.backlog ? TaskStatus::kBacklog : TaskStatus::kQueued;
  task.title = wanted.title;
  task.createdBy = wanted.createdBy;
  task.assignedTo = wanted.assignedTo;
  task.product = wanted.product;
  task.idempotencyKey = wanted.idempotencyKey;
  task.tags = wanted.tags;
  task.priority = wanted.priority;
  task.dependsOn = wanted.dependsOn;
  task.created = std::chrono::floor<std::chrono::milliseconds>(now);
  task.notBefore = wanted.notBefore;
  task.deadline = wanted.deadline;
  task.attempts = wanted.attempts;
  task.body = wanted.body.empty() || wanted.body.starts_with('\n') ? wanted.body : "\n" + wanted.body;
  if (!task.body.empty() && !task.body.ends_with('\n')) task.body += "\n";
  return task;
}

}  // namespace

Task FileTaskQueue::claimed(Task task, const Claim& claim) {
  task.status = TaskStatus::kInProgress;
  task.claimedBy = claim.holder.str();
  task.epoch = claim.epoch;
  task.outcome.clear();
  task.notBefore.reset();
  return task;
}

Result<std::unique_ptr<TaskQueue>> TaskQueue::open(Company& company, Database& db, const Clock& clock,
                                                   TaskEventSink sink) {
  auto queue = std::make_unique<FileTaskQueue>(company, clock, std::move(sink));
  AGENTOS_CHECK(queue->load(db));
  return queue;
}

FileTaskQueue::FileTaskQueue(Company& company, const Clock& clock, TaskEventSink sink)
    : company_(company),
      clock_(clock),
      sink_(sink ? std::move(sink) : [](const TaskEvent&) {}),
      ready_([this](const TaskId& id) { return isArchived(id); }) {}

FileTaskQueue::~FileTaskQueue() { flushCache(true); }

Result<void> FileTaskQueue::load(Database& db) {
  session_ = randomToken(kSessionLength);
  AGENTOS_TRY(claims_, ClaimTable::open(db, session_));
  AGENTOS_TRY(cache_, IndexCache::open(db));
  AGENTOS_CHECK(cache_->load([this](CachedFile file) {
    TaskId id = file.id;
    cached_.emplace(std::move(id), std::move(file));
  }));
  entries_.reserve(cached_.size());
  ready_.beginLoading(cached_.size());
  ++scan_;
  Result<void> scanned;
  for (const TaskStatus status : kBelieved) {
    if (scanned) scanned = scan(status, Loudness::kSilent);
  }
  ready_.endLoading();
  for (const auto& [id, file] : cached_) {
    if (!entries_.contains(id)) dirty_.insert(id);
  }
  cached_.clear();
  flushed_ = clock_.bootNow();
  flushCache(true);
  return scanned;
}

Result<FileTaskQueue::Loaded> FileTaskQueue::loadRecord(TaskStatus status, const TaskId& id) const {
  AGENTOS_TRY(auto content, readStamped(company_.tasksFd(status), fileOf(id), kMaxRecordBytes));
  AGENTOS_TRY(Task task, parseTask(content.bytes, id, status));
  return Loaded{std::move(task), content.stamp, std::move(content.bytes)};
}

bool FileTaskQueue::isThere(TaskStatus status, const TaskId& id) const {
  return stampOf(company_.tasksFd(status), fileOf(id)).has_value();
}

bool FileTaskQueue::isArchived(const TaskId& id) const { return stampOf(company_.archiveFd(), fileOf(id)).has_value(); }

std::optional<TaskStatus> FileTaskQueue::locate(const TaskId& id) const {
  const auto known = entries_.find(id);
  if (known != entries_.end() && isThere(known->second.status, id)) return known->second.status;
  for (const TaskStatus status : kBelieved) {
    if (isThere(status, id)) return status;
  }
  return std::nullopt;
}

void FileTaskQueue::index(const TaskId& id, Entry entry, ReadyFacts facts) {
  entry.seen = scan_;
  entries_.insert_or_assign(id, std::move(entry));
  ready_.put(id, std::move(facts));
}

void FileTaskQueue::index(const Loaded& loaded) {
  index(loaded.task.id, Entry{loaded.task.status, loaded.stamp, packTask(loaded.task)}, readyFactsOf(loaded.task));
  dirty_.insert(loaded.task.id);
}

void FileTaskQueue::unindex(const TaskId& id) {
  if (entries_.erase(id) == 0) return;
  ready_.remove(id);
  dirty_.insert(id);
}

Result<void> FileTaskQueue::reindex(TaskStatus status, const TaskId& id) {
  auto loaded = loadRecord(status, id);
  if (!loaded) {
    unindex(id);  // what became of it is the next refresh's to find
    return std::unexpected(std::move(loaded).error());
  }
  index(*loaded);
  flushCache(false);
  return {};
}

// The cache may lag: what it misses is read again. So it is written now and then, not with every change.
void FileTaskQueue::flushCache(bool everything) {
  if (!cache_ || dirty_.empty()) return;
  if (!everything && dirty_.size() < kFlushAt && clock_.bootNow() - flushed_ < kFlushAfter) return;
  std::vector<CachedFile> files;
  for (const TaskId& id : dirty_) {
    const auto found = entries_.find(id);
    files.push_back(found == entries_.end()
                        ? CachedFile{id, TaskStatus::kQueued, {}, {}}
                        : CachedFile{id, found->second.status, found->second.stamp, found->second.packed});
  }
  flushed_ = clock_.bootNow();
  if (cache_->store(files)) dirty_.clear();  // ignoring a failure: a cache, tried again with the next change
}

Result<Task> FileTaskQueue::find(const TaskId& id) {
  if (const auto status = locate(id)) {
    AGENTOS_TRY(auto loaded, loadRecord(*status, id));
    return std::move(loaded.task);
  }
  auto archived = readFile(company_.archiveFd(), fileOf(id), kMaxRecordBytes);
  if (archived) return parseTask(*archived, id, TaskStatus::kDone);
  if (archived.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(archived).error());
  return fail(ErrorCode::kNotFound, "no task " + id.str(), "`agentctl task list` shows what is there");
}

Result<std::vector<Task>> FileTaskQueue::list(std::optional<TaskStatus> status) {
  std::vector<Task> tasks;
  for (const auto& [id, entry] : entries_) {
    if (status && entry.status != *status) continue;
    if (auto unpacked = unpackTask(entry.packed, id, entry.status)) tasks.push_back(*std::move(unpacked));
  }
  std::ranges::sort(tasks, [](const Task& a, const Task& b) {
    return std::tuple(a.status, a.created, a.id.str().size(), std::string_view(a.id.str())) <
           std::tuple(b.status, b.created, b.id.str().size(), std::string_view(b.id.str()));
  });
  return tasks;
}

Result<NextTask> FileTaskQueue::next(const AgentName& agent) { return ready_.next(agent, clock_.now()); }

Result<void> FileTaskQueue::checkNew(const NewTask& task) const {
  AGENTOS_CHECK(checkText("title", task.title, kMaxTitle));
  if (trim(task.title).empty()) return refuseField("title", "empty", "a few words that say what is to be done");
  AGENTOS_CHECK(checkText("body", task.body, kMaxBody));
  AGENTOS_CHECK(checkText("created_by", task.createdBy, kMaxWord));
  AGENTOS_CHECK(checkText("product", task.product, kMaxWord));
  AGENTOS_CHECK(checkText("idempotency_key", task.idempotencyKey, kMaxWord));
  if (!task.assignedTo.empty()) AGENTOS_CHECK(AgentName::parse(task.assignedTo));
  if (task.tags.size() > kMaxList || task.dependsOn.size() > kMaxList) {
    return fail(ErrorCode::kTooLarge, "tags or depends_on with more than 256 entries", "fewer");
  }
  for (const std::string& tag : task.tags) AGENTOS_CHECK(checkText("tags", tag, kMaxWord));
  if (task.attempts < 1 || task.attempts > 1000) {
    return refuseField("attempts", std::to_string(task.attempts), "1 to 1000");
  }
  for (const TaskId& id : task.dependsOn) {
    if (!locate(id) && !isArchived(id)) {
      return fail(ErrorCode::kNotFound, "depends_on: no task " + id.str(), "the id of a task that is there");
    }
  }
  return {};
}

// Empty when that id is somebody's already.
Result<std::optional<TaskId>> FileTaskQueue::createAs(const TaskId& id, const NewTask& wanted) {
  if (locate(id) || isArchived(id)) return std::nullopt;
  const Task task = taskOf(wanted, id, clock_.now());
  AGENTOS_TRY(const std::string text, renderTask(task));
  auto made = createFile(company_.tasksFd(task.status), fileOf(id), text);
  if (made) return id;
  if (made.error().code == ErrorCode::kExists) return std::nullopt;
  return std::unexpected(std::move(made).error().within("adding a task"));
}

Result<TaskId> FileTaskQueue::add(const NewTask& task) {
  AGENTOS_CHECK(checkNew(task));
  AGENTOS_TRY(const std::string date, localDate(clock_.now(), company_.settings().timezone));
  const std::string day = date.substr(0, 4) + "-" + date.substr(5, 2) + date.substr(8, 2);
  for (;;) {
    AGENTOS_TRY(const auto reserved, claims_->reserve(day, task.idempotencyKey));
    if (reserved.earlier) {
      if (reserved.confirmed || locate(*reserved.earlier)) return *reserved.earlier;
      AGENTOS_CHECK(claims_->freeKey(task.idempotencyKey));  // left by an add that failed
      continue;
    }
    faultPoint("queue.add.committed");
    AGENTOS_TRY(const TaskId id, taskIdOf(day, reserved.number));
    auto created = createAs(id, task);
    if (created && *created) {
      faultPoint("queue.add.created");
      if (!task.idempotencyKey.empty()) AGENTOS_CHECK(claims_->confirmKey(task.idempotencyKey, id));
      AGENTOS_CHECK(reindex(task.backlog ? TaskStatus::kBacklog : TaskStatus::kQueued, id));
      emit({.kind = "task.created", .task = id, .actor = task.createdBy, .detail = task.title});
      return id;
    }
    if (!task.idempotencyKey.empty()) {
      auto freed = claims_->freeKey(task.idempotencyKey);  // ignoring a failure: the next add with this key sees to it
      if (created && !freed) return std::unexpected(std::move(freed).error());
    }
    if (!created) return std::unexpected(std::move(created).error());
  }
}

Result<std::optional<Claim>> FileTaskQueue::claim(const TaskId& task, const InstanceId& holder) {
  const auto entry = entries_.find(task);
  if (entry == entries_.end() && !locate(task)) {
    return fail(ErrorCode::kNotFound, "no task " + task.str(), "`agentctl task list` shows what is there");
  }
  // A cheap look first: most who come too late are not worth a commit.
  if (entry == entries_.end() || entry->second.status != TaskStatus::kQueued || !isThere(TaskStatus::kQueued, task)) {
    if (entry != entries_.end() && entry->second.status == TaskStatus::kQueued) AGENTOS_CHECK(considerGone(task));
    return std::nullopt;
  }
  if (auto why = ready_.blockedBecause(task, clock_.now()); !why.empty()) {
    return fail(ErrorCode::kRefused, why, "claim it when that has passed");
  }
  dropVoided();
  const auto known = unpackTask(entry->second.packed, task, TaskStatus::kQueued);
  if (known) AGENTOS_CHECK(checkAssigned(*known, holder));
  AGENTOS_TRY(const auto epoch, claims_->take(task, holder, known ? known->epoch : 0));
  if (!epoch) return std::nullopt;
  faultPoint("queue.claim.committed");
  return renameAndWrite({task, holder, *epoch});
}

Result<std::optional<Claim>> FileTaskQueue::renameAndWrite(const Claim& claim) {
  // Not synced here: after a power loss the claim is undone whichever side of the rename the disk has.
  auto renamed = moveFile(company_.tasksFd(TaskStatus::kQueued), fileOf(claim.task),
                          company_.tasksFd(TaskStatus::kInProgress), fileOf(claim.task), false);
  if (!renamed) {
    AGENTOS_CHECK(undoClaim(claim, false));
    if (renamed.error().code == ErrorCode::kNotFound) {
      AGENTOS_CHECK(considerGone(claim.task));
      return std::nullopt;
    }
    if (renamed.error().code == ErrorCode::kExists) {  // a copy lies in in-progress/: that one is believed
      unindex(claim.task);
      AGENTOS_CHECK(refreshFile(TaskStatus::kInProgress, fileOf(claim.task)));
      AGENTOS_CHECK(refreshFile(TaskStatus::kQueued, fileOf(claim.task)));
      return std::nullopt;
    }
    return std::unexpected(std::move(renamed).error().within("claiming " + claim.task.str()));
  }
  faultPoint("queue.claim.renamed");
  auto written = writeClaim(claim);
  if (!written) {
    Error why = std::move(written).error().within("claiming " + claim.task.str());
    AGENTOS_CHECK(undoClaim(claim, why.code != ErrorCode::kNotFound));
    // A person was faster: moved it away, gave it to somebody else, or saved what is no task.
    const bool lost =
        why.code == ErrorCode::kNotFound || why.code == ErrorCode::kRefused || why.code == ErrorCode::kTaskMalformed;
    if (lost) return std::nullopt;
    return std::unexpected(std::move(why));
  }
  faultPoint("queue.claim.rewritten");
  AGENTOS_CHECK(reindex(TaskStatus::kInProgress, claim.task));
  emit({.kind = "task.claimed",
        .task = claim.task,
        .holder = claim.holder.str(),
        .agent = std::string(agentOf(claim.holder)),
        .epoch = claim.epoch});
  return claim;
}

Result<void> FileTaskQueue::writeClaim(const Claim& claim) {
  return rewriteTask(TaskStatus::kInProgress, claim.task, [&](Task task) -> Result<Task> {
    AGENTOS_CHECK(checkAssigned(task, claim.holder));
    return claimed(std::move(task), claim);
  });
}

// The file back first, then the row: a crash between the two leaves a row that recover() drops.
Result<void> FileTaskQueue::undoClaim(const Claim& claim, bool renameBack) {
  Result<void> undone;
  if (renameBack) {
    undone = moveFile(company_.tasksFd(TaskStatus::kInProgress), fileOf(claim.task),
                      company_.tasksFd(TaskStatus::kQueued), fileOf(claim.task));
  }
  dropClaim(claim.task, claim.epoch);
  unindex(claim.task);
  AGENTOS_CHECK(considerName(TaskStatus::kQueued, fileOf(claim.task), Loudness::kSilent));
  return undone;
}

void FileTaskQueue::dropClaim(const TaskId& task, std::int64_t epoch) {
  if (!claims_->drop(task, epoch)) voided_[task] = epoch;
}

void FileTaskQueue::dropVoided() {
  std::erase_if(voided_, [this](const auto& claim) { return claims_->drop(claim.first, claim.second).has_value(); });
  std::erase_if(abandoned_, [this](const TaskId& task) { return claims_->forget(task).has_value(); });
}

bool FileTaskQueue::isVoided(const Claim& claim) const {
  const auto found = voided_.find(claim.task);
  return found != voided_.end() && found->second == claim.epoch;
}

Result<std::optional<Claim>> FileTaskQueue::claimOf(const TaskId& task) {
  AGENTOS_TRY(auto stored, claims_->find(task));
  return stored && !isVoided(stored->claim) ? std::optional(stored->claim) : std::nullopt;
}

Result<std::vector<Claim>> FileTaskQueue::claims() {
  AGENTOS_TRY(const auto stored, claims_->all());
  std::vector<Claim> claims;
  for (const StoredClaim& one : stored) {
    if (!isVoided(one.claim)) claims.push_back(one.claim);
  }
  return claims;
}

}  // namespace agentos::company
