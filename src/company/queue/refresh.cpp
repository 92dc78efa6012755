// SPDX-License-Identifier: Apache-2.0
// What people did: files that came, went, moved or were edited, and files that are no tasks.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "company/queue/file_queue.h"

namespace agentos::company {
namespace {

constexpr auto kQuiet = std::chrono::seconds(2);
constexpr std::string_view kEnding = ".md";

// The id that a name stands for; empty for editors' files and everything else that is no record.
std::optional<TaskId> idOf(const std::string& name) {
  if (!name.ends_with(kEnding)) return std::nullopt;
  auto id = TaskId::parse(std::string_view(name).substr(0, name.size() - kEnding.size()));
  return id ? std::optional(*std::move(id)) : std::nullopt;
}

// A file that was surely meant to be a task; editors' files begin with a dot or # or end otherwise.
bool looksLikeTask(const std::string& name) { return name.starts_with("task-") && name.ends_with(kEnding); }

// The file's content, not the machine, is at fault.
bool isMalformed(const Error& error) {
  return error.code == ErrorCode::kTaskMalformed || error.code == ErrorCode::kTooLarge ||
         error.code == ErrorCode::kPathEscapes || (error.code == ErrorCode::kIo && error.sysErrno == 0) ||
         error.sysErrno == ENXIO;
}

bool isUnreadable(const Error& error) { return error.sysErrno == EACCES || error.sysErrno == EPERM; }

struct Owner {
  std::string text;  // "uid 1000, 2026-11-20T14:03:07.120Z"
  unsigned uid = 0, mode = 0;
};

Owner ownerOf(int directory, const std::string& name) {
  struct stat info{};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  const Timestamp changed(std::chrono::seconds(info.st_ctim.tv_sec) + Nanoseconds(info.st_ctim.tv_nsec));
  return {"uid " + std::to_string(info.st_uid) + ", " + formatUtc(changed), info.st_uid, info.st_mode & 07777U};
}

std::string octal(unsigned mode) {
  std::string text;
  for (int shift = 9; shift >= 0; shift -= 3) text += static_cast<char>('0' + (mode >> shift & 7));
  return text;
}

}  // namespace

Result<std::optional<BootTime>> FileTaskQueue::refresh(std::optional<TaskStatus> status) {
  dropVoided();
  ++scan_;
  for (const TaskStatus each : kAllTaskStatuses) {
    if (status && *status != each) continue;
    AGENTOS_CHECK(company_.followReplaced(each));
    AGENTOS_CHECK(scan(each, Loudness::kEvents));
  }
  if (!status || *status == TaskStatus::kDone) ready_.recheckUnknown();
  const auto again = quarantineQuiet();
  flushCache(false);
  return again;
}

Result<std::optional<BootTime>> FileTaskQueue::refreshFile(TaskStatus status, const std::string& name) {
  AGENTOS_CHECK(considerName(status, name, Loudness::kEvents));
  const auto id = idOf(name);
  const auto known = id ? entries_.find(*id) : entries_.end();
  if (known != entries_.end() && known->second.status == status && !isThere(status, *id))
    AGENTOS_CHECK(considerGone(*id));
  const auto again = quarantineQuiet();
  flushCache(false);
  return again;
}

Result<void> FileTaskQueue::scan(TaskStatus status, Loudness loudness) {
  AGENTOS_TRY(const auto names, listDirectory(company_.tasksFd(status)));
  for (const std::string& name : names) AGENTOS_CHECK(considerName(status, name, loudness));
  std::vector<TaskId> gone;
  for (const auto& [id, entry] : entries_) {
    if (entry.status == status && entry.seen != scan_) gone.push_back(id);
  }
  for (const TaskId& id : gone) AGENTOS_CHECK(considerGone(id));
  std::erase_if(suspects_, [&](const auto& one) { return one.first.first == status && one.second.seen != scan_; });
  return {};
}

Result<void> FileTaskQueue::considerName(TaskStatus status, const std::string& name, Loudness loudness) {
  const auto id = idOf(name);
  if (!id && !looksLikeTask(name)) return {};
  const auto stamp = stampOf(company_.tasksFd(status), name);
  if (!stamp) {
    suspects_.erase({status, name});
    return stamp.error().code == ErrorCode::kNotFound ? Result<void>{} : std::unexpected(stamp.error());
  }
  if (!id) {
    suspect(status, name, *stamp, name + " is no name of a task: task-YYYY-MMDD-NNN.md would be one", false);
    return {};
  }
  if (const auto known = entries_.find(*id);
      known != entries_.end() && known->second.status == status && known->second.stamp == *stamp) {
    known->second.seen = scan_;
    return {};
  }
  return considerRecord(status, *id, *stamp, loudness);
}

// A record that is new here, or not what it was.
Result<void> FileTaskQueue::considerRecord(TaskStatus status, const TaskId& id, const FileStamp& stamp,
                                           Loudness loudness) {
  const auto old = suspects_.find({status, fileOf(id)});
  if (old != suspects_.end() && old->second.stamp == stamp && !old->second.isDuplicate) {
    old->second.seen = scan_;
    return {};
  }
  const auto known = entries_.find(id);
  const bool wasElsewhere = known != entries_.end() && known->second.status != status;
  if (wasElsewhere && isThere(known->second.status, id)) {
    suspect(status, fileOf(id), stamp,
            id.str() + " is there twice: the one in " + std::string(directoryOf(known->second.status)) + "/ is kept",
            true);
    return {};
  }
  if (const auto row = cached_.find(id);
      row != cached_.end() && row->second.status == status && row->second.stamp == stamp) {
    if (auto facts = unpackFacts(row->second.packed, status)) {
      index(id, Entry{status, stamp, std::move(row->second.packed)}, *std::move(facts));
      return {};
    }
  }
  auto loaded = loadRecord(status, id);
  if (!loaded) {
    if (loaded.error().code == ErrorCode::kNotFound) return {};
    if (!isMalformed(loaded.error()) && !isUnreadable(loaded.error()))
      return std::unexpected(std::move(loaded).error());
    considerFailure(status, id, stamp, loaded.error());
    return {};
  }
  suspects_.erase({status, fileOf(id)});
  const auto from = known == entries_.end() ? std::nullopt : std::optional(known->second.status);
  const bool leftProgress = from == TaskStatus::kInProgress && status != TaskStatus::kInProgress;
  index(*loaded);
  if (loudness == Loudness::kSilent) return {};
  const auto revoked = leftProgress ? revoke(id) : std::nullopt;
  if (!from) {
    tellOutside("task.appeared", id, status, "in " + std::string(directoryOf(status)), revoked);
  } else if (*from != status) {
    tellOutside("task.moved_outside", id, status,
                std::string(directoryOf(*from)) + " → " + std::string(directoryOf(status)), revoked);
  } else {
    tellOutside("task.edited_outside", id, status, "in " + std::string(directoryOf(status)), revoked);
  }
  return {};
}

void FileTaskQueue::considerFailure(TaskStatus status, const TaskId& id, const FileStamp& stamp, const Error& error) {
  const auto known = entries_.find(id);
  if (known != entries_.end() && known->second.status == status) unindex(id);
  if (!isUnreadable(error)) return suspect(status, fileOf(id), stamp, error.message(), false);
  const Owner owner = ownerOf(company_.tasksFd(status), fileOf(id));
  const std::string path = company_.tasksPath(status) + "/" + fileOf(id);
  suspects_[{status, fileOf(id)}] = {stamp, clock_.bootNow(), error.message(), false, true, scan_};
  emit({.kind = "task.unreadable",
        .file = fileOf(id),
        .task = id,
        .actor = "external",
        .detail = path + " belongs to " + owner.text + " and has mode " + octal(owner.mode) +
                  ", agentd cannot read it; `chgrp agentd " + path + " && chmod g+rw " + path + "` mends it"});
}

void FileTaskQueue::suspect(TaskStatus status, const std::string& name, const FileStamp& stamp, std::string reason,
                            bool isDuplicate) {
  auto [at, isNew] = suspects_.try_emplace({status, name});
  Suspect& one = at->second;
  if (isNew || one.stamp != stamp) one = {stamp, clock_.bootNow(), {}, isDuplicate, false, scan_};
  one.reason = std::move(reason);
  one.isDuplicate = isDuplicate;
  one.seen = scan_;
}

// It left this directory: for another one, for the archive, or for good.
Result<void> FileTaskQueue::considerGone(const TaskId& id) {
  const auto known = entries_.find(id);
  if (known == entries_.end()) return {};
  const TaskStatus from = known->second.status;
  if (isThere(from, id)) return considerName(from, fileOf(id), Loudness::kEvents);
  for (const TaskStatus status : kAllTaskStatuses) {
    if (status == from || !isThere(status, id)) continue;
    AGENTOS_CHECK(considerName(status, fileOf(id), Loudness::kEvents));
    const auto now = entries_.find(id);
    if (now != entries_.end() && now->second.status == status) return {};
  }
  unindex(id);
  const auto revoked = from == TaskStatus::kInProgress ? revoke(id) : std::nullopt;
  if (from == TaskStatus::kDone && isArchived(id)) {
    ready_.recheckUnknown();
    return {};
  }
  tellOutside("task.moved_outside", id, from, std::string(directoryOf(from)) + " → nowhere", revoked);
  return {};
}

// Quarantines what nobody has touched for two seconds; answers when to look again for the rest.
std::optional<BootTime> FileTaskQueue::quarantineQuiet() {
  std::optional<BootTime> again;
  std::vector<SuspectKey> ripe;
  for (auto& [key, one] : suspects_) {
    if (one.leftAlone) continue;
    const BootTime at = one.since + kQuiet;
    if (clock_.bootNow() >= at) {
      ripe.push_back(key);
    } else if (!again || at < *again) {
      again = at;
    }
  }
  for (const SuspectKey& key : ripe) quarantineNow(key, suspects_.at(key));
  return again;
}

void FileTaskQueue::quarantineNow(const SuspectKey& key, Suspect& one) {
  const auto& [status, name] = key;
  const auto stamp = stampOf(company_.tasksFd(status), name);
  if (!stamp || *stamp != one.stamp) {  // touched since: the next refresh judges it anew
    suspects_.erase(key);
    return;
  }
  const Owner owner = ownerOf(company_.tasksFd(status), name);
  auto moved = company_.quarantine(company_.tasksFd(status), name, one.reason);
  TaskEvent event{
      .kind = "task.quarantined", .file = name, .actor = "external", .detail = one.reason + " (" + owner.text + ")"};
  if (auto id = idOf(name)) event.task = *id;
  if (!moved) {
    event.detail += "; it stays where it is: " + moved.error().message();
    one.leftAlone = true;
    return emit(std::move(event));
  }
  const bool wasHeld = status == TaskStatus::kInProgress && !event.task.empty() && !one.isDuplicate;
  const auto revoked = wasHeld ? revoke(event.task) : std::nullopt;
  if (revoked) {
    event.holder = revoked->claim.holder.str(), event.epoch = revoked->claim.epoch;
    event.agent = agentOf(revoked->claim.holder);
  }
  suspects_.erase(key);
  emit(std::move(event));
}

// The state follows people: a claim whose file they took away is over.
std::optional<StoredClaim> FileTaskQueue::revoke(const TaskId& id) {
  const auto held = claims_->find(id);
  if (!held || !*held || (*held)->session != session_) return std::nullopt;
  dropClaim(id, (*held)->claim.epoch);
  return *held;
}

void FileTaskQueue::tellOutside(const char* kind, const TaskId& id, TaskStatus status, std::string detail,
                                const std::optional<StoredClaim>& revoked) const {
  const Owner owner = ownerOf(company_.tasksFd(status), fileOf(id));
  TaskEvent event{.kind = kind, .file = fileOf(id), .task = id, .actor = "external", .detail = std::move(detail)};
  if (!owner.text.empty()) event.detail += " (" + owner.text + ")";
  if (revoked) {
    event.holder = revoked->claim.holder.str(), event.epoch = revoked->claim.epoch;
    event.agent = agentOf(revoked->claim.holder);
  }
  emit(std::move(event));
}

}  // namespace agentos::company
