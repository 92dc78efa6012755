// SPDX-License-Identifier: Apache-2.0
#include "runner/overlay_commit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "base/fault.h"
#include "base/files.h"

namespace agentos::runner {
namespace {

constexpr const char* kJournal = "journal.json";
constexpr std::size_t kMostJournal = std::size_t{64} << 20;
constexpr unsigned kExecute = 0111;

Entry baseOf(const Change& change) { return {change.baseType, 0, 0, change.baseDigest}; }
Entry newOf(const Change& change) { return {change.type, 0, 0, change.digest}; }

bool isApplied(const Change& change, const std::optional<Entry>& now) {
  if (change.kind == ChangeKind::kDeleted) return !now;
  if (!now || !now->sameContent(newOf(change))) return false;
  return !change.modeChanged || ((now->mode ^ change.mode) & kExecute) == 0;
}
bool isAsBefore(const Change& change, const std::optional<Entry>& now) {
  return change.kind == ChangeKind::kAdded ? !now : now && now->sameContent(baseOf(change));
}

std::set<std::string> addedPaths(const std::vector<Change>& changes) {
  std::set<std::string> added;
  for (const auto& change : changes) {
    if (change.kind == ChangeKind::kAdded) added.insert(change.path);
  }
  return added;
}

std::string describe(const std::optional<Entry>& now) {
  if (!now) return "is gone";
  return now->type == EntryType::kFile ? "has another content" : "is a " + std::string(nameOf(now->type));
}

// One mount's part of the work.
class Applier {
 public:
  Applier(const Layers& layers, std::string token) : layers_(layers), token_(std::move(token)) {}

  // Empty: done, or done before. A reason: somebody else was there, and it is as they left it. `replaced`: the same
  // path is added later on, and what lies there is then that one's to judge.
  Result<std::string> apply(const Change& change, std::size_t index, bool replaced) {
    AGENTOS_TRY(auto now, readEntryAt(layers_.live, change.path));
    if (isApplied(change, now) || (replaced && !isAsBefore(change, now))) return std::string();
    if (!isAsBefore(change, now)) return describe(now);
    AGENTOS_TRY(Fd parent, openListing(layers_.live, parentOf(change.path)));
    if (change.type == EntryType::kDirectory) return applyDirectory(change, parent.get());
    const std::string name = lastOf(change.path), aside = nameAside(index);
    if (change.kind == ChangeKind::kDeleted) return takeAway(parent.get(), name, aside, baseOf(change));
    AGENTOS_CHECK(stage(layers_.upper, change.path, modeOf(change, now), parent.get(), aside));
    if (change.kind == ChangeKind::kAdded) return putNew(parent.get(), aside, name);
    return exchange(parent.get(), aside, name, baseOf(change));
  }

  // The other way: back to what the lower layer holds. What is neither the change nor what was before is left.
  Result<std::string> undo(const Change& change, std::size_t index) {
    AGENTOS_TRY(auto now, readEntryAt(layers_.live, change.path));
    if (isAsBefore(change, now) || !isApplied(change, now)) return std::string();
    auto parent = openListing(layers_.live, parentOf(change.path));
    if (!parent) return parent.error().message();
    const std::string name = lastOf(change.path), aside = nameAside(index);
    if (change.type == EntryType::kDirectory) return undoDirectory(change, parent->get());
    if (change.kind == ChangeKind::kAdded) return takeAway(parent->get(), name, aside, newOf(change));
    AGENTOS_TRY(auto was, readEntryAt(layers_.base, change.path));
    AGENTOS_CHECK(stage(layers_.base, change.path, was ? was->mode : 0660U, parent->get(), aside));
    if (change.kind == ChangeKind::kDeleted) return putNew(parent->get(), aside, name);
    return exchange(parent->get(), aside, name, newOf(change));
  }

  // What an earlier try left beside its places: its own writing goes, what it took from somebody else comes back.
  Result<void> clear(const std::vector<Change>& changes) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      auto parent = openListing(layers_.live, parentOf(changes[i].path));
      if (!parent) continue;
      ::unlinkat(parent->get(), (nameAside(i) + kPart).c_str(), 0);
      AGENTOS_TRY(auto aside, readEntry(parent->get(), nameAside(i)));
      if (!aside) continue;
      const bool ours = aside->sameContent(newOf(changes[i])) || aside->sameContent(baseOf(changes[i]));
      if (!ours) AGENTOS_CHECK(giveBack(parent->get(), nameAside(i), lastOf(changes[i].path)));
      ::unlinkat(parent->get(), nameAside(i).c_str(), 0);
    }
    return {};
  }

 private:
  static constexpr const char* kPart = "part";

  std::string nameAside(std::size_t index) const {
    std::string name = "." + token_;
    return name += "." + std::to_string(index) + "~";
  }

  // What people can edit of the old file they can edit of the new one: its mode is kept, but for what the agent made
  // of the execute bits. A new file's group gets what its owner has.
  static unsigned modeOf(const Change& change, const std::optional<Entry>& now) {
    const unsigned made = change.mode & 0777U;
    if (!now || now->type != EntryType::kFile) return made | ((made & 0700U) >> 3);
    const unsigned kept = now->mode & 0777U;
    return change.modeChanged ? (kept & ~kExecute) | (made & kExecute) : kept;
  }

  Result<void> stage(int from, const std::string& path, unsigned mode, int parent, const std::string& aside) {
    AGENTOS_TRY(Fd source, openListing(from, parentOf(path)));
    const std::string name = lastOf(path), part = aside + kPart;
    AGENTOS_TRY(auto entry, readEntry(source.get(), name));
    if (entry && entry->type == EntryType::kLink) {
      AGENTOS_TRY(auto target, readLinkAt(source.get(), name));
      if (::symlinkat(target.c_str(), parent, aside.c_str()) != 0) return failErrno(errno, "making the link " + path);
    } else {
      AGENTOS_CHECK(copyFile(source.get(), name, mode & 0777U, parent, part));
      if (::renameat(parent, part.c_str(), parent, aside.c_str()) != 0) return failErrno(errno, "writing " + path);
    }
    faultPoint("overlay.commit.staged");
    return {};
  }

  static Result<void> copyFile(int from, const std::string& name, unsigned mode, int parent, const std::string& part) {
    Fd in(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!in) return failErrno(errno, "reading " + name);
    Fd out(::openat(parent, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!out) return failErrno(errno, "writing beside " + name);
    std::array<char, 65536> block{};
    for (ssize_t got = 0; (got = ::read(in.get(), block.data(), block.size())) != 0;) {
      if (got < 0) return failErrno(errno, "reading " + name);
      AGENTOS_CHECK(writeAll(out.get(), {block.data(), static_cast<std::size_t>(got)}));
    }
    if (::fchmod(out.get(), mode) != 0) return failErrno(errno, "setting the mode of " + name);
    return syncFd(out.get(), name);
  }

  static Result<std::string> putNew(int parent, const std::string& aside, const std::string& name) {
    if (::renameat2(parent, aside.c_str(), parent, name.c_str(), RENAME_NOREPLACE) == 0) return std::string();
    const int error = errno;
    ::unlinkat(parent, aside.c_str(), 0);
    if (error == EEXIST) return std::string("was made meanwhile");
    return failErrno(error, "putting " + name + " in its place");
  }

  // The new one in, the old one out, and then a look at what came out.
  static Result<std::string> exchange(int parent, const std::string& aside, const std::string& name,
                                      const Entry& expected) {
    if (::renameat2(parent, aside.c_str(), parent, name.c_str(), RENAME_EXCHANGE) != 0) {
      const int error = errno;
      ::unlinkat(parent, aside.c_str(), 0);
      if (error == ENOENT) return std::string("is gone");
      return failErrno(error, "putting " + name + " in its place");
    }
    faultPoint("overlay.commit.exchanged");
    AGENTOS_TRY(auto out, readEntry(parent, aside));
    const bool right = out && out->sameContent(expected);
    if (!right) AGENTOS_CHECK(giveBack(parent, aside, name));
    ::unlinkat(parent, aside.c_str(), 0);
    return right ? std::string() : "was changed meanwhile";
  }

  static Result<std::string> takeAway(int parent, const std::string& name, const std::string& aside,
                                      const Entry& expected) {
    if (::renameat2(parent, name.c_str(), parent, aside.c_str(), RENAME_NOREPLACE) != 0) {
      if (errno == ENOENT) return std::string();
      return failErrno(errno, "taking " + name + " away");
    }
    faultPoint("overlay.commit.taken");
    AGENTOS_TRY(auto out, readEntry(parent, aside));
    const bool right = out && out->sameContent(expected);
    if (!right) AGENTOS_CHECK(giveBack(parent, aside, name));
    ::unlinkat(parent, aside.c_str(), 0);
    return right ? std::string() : "was changed meanwhile";
  }

  // Somebody else's file, which came out in place of the one that was expected: back to where it was. Afterwards what
  // lies aside, if anything, is ours.
  static Result<void> giveBack(int parent, const std::string& aside, const std::string& name) {
    if (::renameat2(parent, aside.c_str(), parent, name.c_str(), RENAME_EXCHANGE) == 0 ||
        ::renameat2(parent, aside.c_str(), parent, name.c_str(), RENAME_NOREPLACE) == 0) {
      return {};
    }
    return failErrno(errno, "putting " + name + " back, which lies beside its place as " + aside);
  }

  static Result<std::string> applyDirectory(const Change& change, int parent) {
    const std::string name = lastOf(change.path);
    if (change.kind == ChangeKind::kDeleted) {
      if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return std::string();
      if (errno == ENOTEMPTY || errno == EEXIST) return std::string("holds something new");
      return failErrno(errno, "removing " + change.path);
    }
    if (::mkdirat(parent, name.c_str(), 0770) != 0) return failErrno(errno, "making " + change.path);
    return std::string();
  }

  static Result<std::string> undoDirectory(const Change& change, int parent) {
    const std::string name = lastOf(change.path);
    // One that somebody put a file into stays.
    if (change.kind == ChangeKind::kAdded) {
      if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOTEMPTY && errno != ENOENT)
        return failErrno(errno, "removing " + change.path);
      return std::string();
    }
    if (::mkdirat(parent, name.c_str(), 0770) != 0 && errno != EEXIST) return failErrno(errno, "making " + change.path);
    return std::string();
  }

  Layers layers_;
  std::string token_;
};

// The journal: what is being done, in which direction.
struct Plan {
  bool undoing = false;
  std::vector<std::vector<Change>> mounts;
  std::vector<Refusal> conflicts;  // why it is undone
};

Result<void> writeJournal(int state, const Plan& plan) {
  Json mounts = Json::array(), conflicts = Json::array();
  for (const auto& changes : plan.mounts) {
    Json list = Json::array();
    for (const auto& change : changes) list.push_back(toJson(change));
    mounts.push_back(std::move(list));
  }
  for (const auto& conflict : plan.conflicts) conflicts.push_back(toJson(conflict));
  return replaceFile(
      state, kJournal,
      dumpJson({{"version", 1}, {"undoing", plan.undoing}, {"mounts", mounts}, {"conflicts", conflicts}}), 0600);
}

Result<std::optional<Plan>> readJournal(int state, std::size_t mounts) {
  auto text = readFile(state, kJournal, kMostJournal);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::optional<Plan>();
  if (!text) return std::unexpected(std::move(text).error());
  AGENTOS_TRY(auto json, parseJson(*text));
  Plan plan;
  if (json.value("version", 0) != 1 || !json.contains("mounts") || json["mounts"].size() != mounts)
    return fail(ErrorCode::kSyntax, "journal.json is not of this run", "version 1, a list for each overlay");
  plan.undoing = json.value("undoing", false);
  for (const auto& list : json["mounts"]) {
    plan.mounts.emplace_back();
    for (const auto& one : list) {
      AGENTOS_TRY(auto change, changeOf(one));
      plan.mounts.back().push_back(std::move(change));
    }
  }
  for (const auto& one : json.value("conflicts", Json::array()))
    plan.conflicts.push_back({one.value("path", ""), one.value("why", "")});
  return std::optional(std::move(plan));
}

// Depth first within a mount: a deleted directory's live content is held against what the change list knows.
Result<std::string> strangersIn(int live, const std::string& path, const std::set<std::string>& deleted) {
  auto directory = openListing(live, path);
  if (!directory) return std::string();
  AGENTOS_TRY(auto names, listDirectory(directory->get()));
  for (const auto& name : names) {
    std::string below = path;
    if (!deleted.contains(below += "/" + name)) return "holds " + name + ", which was not there";
  }
  return std::string();
}

class Commit {
 public:
  Commit(const std::vector<Layers>& mounts, int state, std::string token)
      : mounts_(mounts), state_(state), token_(std::move(token)) {}

  Result<CommitOutcome> run() {
    AGENTOS_TRY(auto begun, readJournal(state_, mounts_.size()));
    if (begun) {
      plan_ = *std::move(begun);
      AGENTOS_CHECK(clearAll());
      return plan_.undoing ? undoAll() : applyAll();
    }
    AGENTOS_TRY(bool clear, prepare());
    if (!clear) return outcome_;
    AGENTOS_CHECK(writeJournal(state_, plan_));
    faultPoint("overlay.commit.journalled");
    return applyAll();
  }

 private:
  // False: it is refused, and nothing was done.
  Result<bool> prepare() {
    for (const auto& layers : mounts_) {
      AGENTOS_TRY(auto diff, compareLayers(layers.base, layers.upper));
      AGENTOS_TRY(auto conflicts, findConflicts(layers, diff.changes));
      outcome_.refused.insert(outcome_.refused.end(), diff.refused.begin(), diff.refused.end());
      outcome_.conflicts.insert(outcome_.conflicts.end(), conflicts.begin(), conflicts.end());
      plan_.mounts.push_back(std::move(diff.changes));
    }
    return outcome_.refused.empty() && outcome_.conflicts.empty();
  }

  Result<void> clearAll() {
    for (std::size_t m = 0; m < mounts_.size(); ++m)
      AGENTOS_CHECK(Applier(mounts_[m], tokenOf(m)).clear(plan_.mounts[m]));
    return {};
  }

  Result<CommitOutcome> applyAll() {
    for (std::size_t m = 0; m < mounts_.size(); ++m) {
      Applier applier(mounts_[m], tokenOf(m));
      const auto added = addedPaths(plan_.mounts[m]);
      for (std::size_t i = 0; i < plan_.mounts[m].size(); ++i) {
        const Change& change = plan_.mounts[m][i];
        const bool replaced = change.kind == ChangeKind::kDeleted && added.contains(change.path);
        AGENTOS_TRY(auto why, applier.apply(change, i, replaced));
        if (!why.empty()) return turnBack({change.path, std::move(why)});
        faultPoint("overlay.commit.applied");
        ++outcome_.changes;
      }
    }
    outcome_.committed = true;
    return finish();
  }

  Result<CommitOutcome> turnBack(Refusal conflict) {
    plan_.undoing = true;
    plan_.conflicts.push_back(std::move(conflict));
    AGENTOS_CHECK(writeJournal(state_, plan_));
    faultPoint("overlay.commit.turned");
    return undoAll();
  }

  Result<CommitOutcome> undoAll() {
    outcome_.changes = 0;
    outcome_.conflicts = plan_.conflicts;
    for (std::size_t m = mounts_.size(); m-- > 0;) {
      Applier applier(mounts_[m], tokenOf(m));
      for (std::size_t i = plan_.mounts[m].size(); i-- > 0;) {
        const Change& change = plan_.mounts[m][i];
        AGENTOS_TRY(auto why, applier.undo(change, i));
        if (!why.empty()) outcome_.conflicts.push_back({change.path, "could not be taken back: " + why});
        faultPoint("overlay.commit.undone");
      }
    }
    return finish();
  }

  Result<CommitOutcome> finish() {
    for (const auto& layers : mounts_) {
      if (::syncfs(layers.live) != 0) return failErrno(errno, "syncing what was committed");
    }
    faultPoint("overlay.commit.synced");
    AGENTOS_CHECK(removeFile(state_, kJournal));
    return outcome_;
  }

  std::string tokenOf(std::size_t mount) const { return token_ + "-" + std::to_string(mount); }

  const std::vector<Layers>& mounts_;
  int state_;
  std::string token_;
  Plan plan_;
  CommitOutcome outcome_;
};

}  // namespace

Result<std::vector<Refusal>> findConflicts(const Layers& layers, const std::vector<Change>& changes) {
  std::vector<Refusal> conflicts;
  std::set<std::string> deleted, made;
  for (const auto& change : changes) {
    if (change.kind == ChangeKind::kDeleted) deleted.insert(change.path);
    if (change.kind == ChangeKind::kAdded && change.type == EntryType::kDirectory) made.insert(change.path);
  }
  for (const auto& change : changes) {
    AGENTOS_TRY(auto now, readEntryAt(layers.live, change.path));
    const bool replaces = change.kind == ChangeKind::kAdded && deleted.contains(change.path);
    const bool sameDirectory = change.kind == ChangeKind::kAdded && change.type == EntryType::kDirectory && now &&
                               now->type == EntryType::kDirectory;
    if (!replaces && !sameDirectory && !isAsBefore(change, now)) {
      conflicts.push_back({change.path, change.kind == ChangeKind::kAdded ? "was made meanwhile" : describe(now)});
      continue;
    }
    const std::string parent = parentOf(change.path);
    if (change.kind != ChangeKind::kDeleted && parent != "." && !made.contains(parent) &&
        !openListing(layers.live, parent))
      conflicts.push_back({change.path, "its directory is gone"});
    if (change.kind != ChangeKind::kDeleted || change.type != EntryType::kDirectory) continue;
    AGENTOS_TRY(auto stranger, strangersIn(layers.live, change.path, deleted));
    if (!stranger.empty()) conflicts.push_back({change.path, stranger});
  }
  return conflicts;
}

Result<CommitOutcome> commitLayers(const std::vector<Layers>& mounts, int state, const std::string& token) {
  return Commit(mounts, state, token).run();
}

}  // namespace agentos::runner
