// SPDX-License-Identifier: Apache-2.0
#include "runner/overlay_diff.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <tuple>
#include <utility>

#include "base/files.h"
#include "base/text.h"

namespace agentos::runner {
namespace {

constexpr std::string_view kPrefix = "user.overlay.";
// The kernel's notes to itself, which change nothing of what the file is.
constexpr std::array<std::string_view, 3> kNotes = {"user.overlay.origin", "user.overlay.impure", "user.overlay.uuid"};
constexpr unsigned kSetId = S_ISUID | S_ISGID;
constexpr unsigned kExecute = 0111;

// Inside the tree wherever it is followed from.
bool staysInside(const std::string& path, std::string_view target) {
  if (target.empty() || target.front() == '/') return false;
  std::ptrdiff_t depth = std::ranges::count(path, '/');
  for (auto part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return false;
  }
  return true;
}

struct Marks {
  bool opaque = false;
  std::string foreign;  // an xattr of overlayfs that must not be there
};

Marks marksOf(int fd) {
  Marks marks;
  std::array<char, 16384> names{};
  const ssize_t size = ::flistxattr(fd, names.data(), names.size());
  if (size < 0 && errno == ERANGE) marks.foreign = "more extended attributes than 16 KiB of names";
  for (auto name : split(std::string_view(names.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))), '\0')) {
    if (!name.starts_with(kPrefix) || std::ranges::find(kNotes, name) != kNotes.end()) continue;
    std::array<char, 8> value{};
    const ssize_t got = ::fgetxattr(fd, std::string(name).c_str(), value.data(), value.size());
    if (name == "user.overlay.opaque" && got == 1 && value[0] == 'y') {
      marks.opaque = true;
    } else {
      marks.foreign = name;
    }
  }
  return marks;
}

class Comparison {
 public:
  Result<Diff> run(int base, int upper) {
    AGENTOS_TRY(Fd lower, openListing(base, "."));
    AGENTOS_TRY(Fd top, openListing(upper, "."));
    AGENTOS_CHECK(walk(&lower, top, "", false, 0));
    std::ranges::sort(found_.changes, {}, rank);
    return std::move(found_);
  }

 private:
  // Deletions are found outer first and must be made inner first.
  static std::tuple<int, std::ptrdiff_t, std::string_view> rank(const Change& change) {
    const auto depth = std::ranges::count(change.path, '/');
    if (change.kind == ChangeKind::kDeleted) return {change.type == EntryType::kDirectory ? 1 : 0, -depth, change.path};
    if (change.type == EntryType::kDirectory) return {2, depth, change.path};
    return {3, 0, change.path};
  }

  void refuse(std::string path, std::string why) { found_.refused.push_back({std::move(path), std::move(why)}); }

  Result<void> add(Change change) {
    if (found_.changes.size() + found_.refused.size() >= kMostChanges) {
      return fail(ErrorCode::kTooLarge, "more than " + std::to_string(kMostChanges) + " changes", "fewer, or mode: rw");
    }
    found_.changes.push_back(std::move(change));
    return {};
  }

  Result<void> addDeletion(int base, const std::string& name, const std::string& path, int depth) {
    AGENTOS_TRY(auto was, readEntry(base, name));
    if (!was) return {};
    if (was->type == EntryType::kDirectory) AGENTOS_CHECK(addDeletionsIn(base, name, path, depth + 1));
    Change change{.kind = ChangeKind::kDeleted, .path = path, .type = was->type, .size = was->size};
    change.mode = was->mode;
    change.baseType = was->type, change.baseDigest = was->digest;
    return add(std::move(change));
  }

  Result<void> addDeletionsIn(int base, const std::string& name, const std::string& path, int depth) {
    if (depth > kDeepestChange) return fail(ErrorCode::kTooLarge, path + " is too deep");
    AGENTOS_TRY(Fd directory, openListing(base, name));
    AGENTOS_TRY(auto names, listDirectory(directory.get()));
    for (const auto& inner : names) {
      std::string below = path;
      below += "/" + inner;
      AGENTOS_CHECK(addDeletion(directory.get(), inner, below, depth));
    }
    return {};
  }

  // `base` is null where nothing of the lower layer shows.
  Result<void> walk(const Fd* base, const Fd& upper, const std::string& prefix, bool opaque, int depth) {
    if (depth > kDeepestChange)
      return fail(ErrorCode::kTooLarge, prefix + " is deeper than " + std::to_string(kDeepestChange), "flatter trees");
    AGENTOS_TRY(auto names, listDirectory(upper.get()));
    for (const auto& name : names) AGENTOS_CHECK(look(base, upper, name, prefix + name, opaque, depth));
    if (base == nullptr || !opaque) return {};
    const std::set<std::string> kept(names.begin(), names.end());
    AGENTOS_TRY(auto lower, listDirectory(base->get()));
    for (const auto& name : lower) {
      if (!kept.contains(name)) AGENTOS_CHECK(addDeletion(base->get(), name, prefix + name, depth));
    }
    return {};
  }

  Result<void> look(const Fd* base, const Fd& upper, const std::string& name, const std::string& path, bool opaque,
                    int depth) {
    if (!isValidUtf8(path) || std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
      refuse(path, "a name with a control character, or that is not UTF-8");
      return {};
    }
    auto now = readEntry(upper.get(), name);
    if (!now) {
      refuse(path, now.error().message());
      return {};
    }
    if (!*now) return {};
    std::optional<Entry> was;
    if (base != nullptr) {
      AGENTOS_TRY(was, readEntry(base->get(), name));
    }
    switch ((*now)->type) {
      case EntryType::kWhiteout:
        return was ? addDeletion(base->get(), name, path, depth) : Result<void>{};
      case EntryType::kDirectory:
        return lookAtDirectory(base, upper, name, path, **now, was, opaque, depth);
      case EntryType::kFile:
      case EntryType::kLink:
        return lookAtLeaf(base, upper, name, path, **now, was, depth);
      case EntryType::kOther:
        refuse(path, "neither a file, a directory nor a link");
    }
    return {};
  }

  Result<void> lookAtDirectory(const Fd* base, const Fd& upper, const std::string& name, const std::string& path,
                               const Entry& now, const std::optional<Entry>& was, bool opaque, int depth) {
    auto inner = openListing(upper.get(), name);
    if (!inner) {
      refuse(path, inner.error().message());
      return {};
    }
    const Marks marks = marksOf(inner->get());
    if (!marks.foreign.empty()) refuse(path, "the extended attribute " + marks.foreign);
    Fd lower;
    if (was && was->type == EntryType::kDirectory) {
      AGENTOS_TRY(lower, openListing(base->get(), name));
    } else {
      if (was) AGENTOS_CHECK(addDeletion(base->get(), name, path, depth));
      AGENTOS_CHECK(add({.kind = ChangeKind::kAdded, .path = path, .type = now.type, .mode = now.mode}));
    }
    return walk(lower ? &lower : nullptr, *inner, path + "/", opaque || marks.opaque, depth + 1);
  }

  Result<void> lookAtLeaf(const Fd* base, const Fd& upper, const std::string& name, const std::string& path,
                          const Entry& now, const std::optional<Entry>& was, int depth) {
    if (auto why = whyNot(upper.get(), name, path, now); !why.empty()) {
      refuse(path, std::move(why));
      return {};
    }
    Change change{.kind = ChangeKind::kAdded, .path = path, .type = now.type, .size = now.size, .digest = now.digest};
    change.mode = now.mode;
    if (was && was->type == EntryType::kDirectory) {
      AGENTOS_CHECK(addDeletion(base->get(), name, path, depth));
    } else if (was) {
      const bool file = now.type == EntryType::kFile && was->type == EntryType::kFile;
      change.modeChanged = file && ((now.mode ^ was->mode) & kExecute) != 0;
      if (now.sameContent(*was) && !change.modeChanged) return {};  // copied up, and as it was
      change.kind = ChangeKind::kChanged;
      change.baseType = was->type, change.baseDigest = was->digest;
    }
    return add(std::move(change));
  }

  static std::string whyNot(int upper, const std::string& name, const std::string& path, const Entry& now) {
    if (now.type == EntryType::kLink) {
      auto target = readLinkAt(upper, name);
      if (!target) return target.error().message();
      return staysInside(path, *target) ? "" : "a link that leads out: " + *target;
    }
    if ((now.mode & kSetId) != 0) return "a set-user-id or set-group-id file";
    Fd file(::openat(upper, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return failErrno(errno, "reading it").error().message();
    auto marks = marksOf(file.get());
    return marks.foreign.empty() && !marks.opaque ? "" : "the extended attribute " + marks.foreign;
  }

  Diff found_;
};

std::string_view wordOf(ChangeKind kind) {
  return kind == ChangeKind::kAdded ? "added" : kind == ChangeKind::kChanged ? "changed" : "deleted";
}

Result<EntryType> typeOf(const Json& json, const char* key) {
  const std::string word = json.value(key, "");
  for (auto type : {EntryType::kFile, EntryType::kDirectory, EntryType::kLink, EntryType::kOther}) {
    if (word == nameOf(type)) return type;
  }
  return fail(ErrorCode::kSyntax, "a change of type \"" + word + "\"", "file, directory or link");
}

}  // namespace

Result<Diff> compareLayers(int base, int upper) { return Comparison().run(base, upper); }

Json toJson(const Change& change) {
  Json json = {{"change", wordOf(change.kind)}, {"path", change.path}, {"type", nameOf(change.type)}};
  if (change.type != EntryType::kDirectory) json["size"] = change.size;
  if (!change.digest.empty()) json["sha256"] = change.digest;
  if (change.kind != ChangeKind::kDeleted) json["mode"] = change.mode & 0777U;
  if (change.kind != ChangeKind::kAdded) json["base_type"] = nameOf(change.baseType);
  if (!change.baseDigest.empty()) json["base_sha256"] = change.baseDigest;
  if (change.modeChanged) json["mode_changed"] = true;
  return json;
}

Json toJson(const Refusal& refusal) { return {{"path", refusal.path}, {"why", refusal.why}}; }

Result<Change> changeOf(const Json& json) {
  Change change;
  try {
    const std::string word = json.at("change").get<std::string>();
    change.kind = word == "added"     ? ChangeKind::kAdded
                  : word == "changed" ? ChangeKind::kChanged
                                      : ChangeKind::kDeleted;
    change.path = json.at("path").get<std::string>();
    AGENTOS_TRY(change.type, typeOf(json, "type"));
    change.size = json.value("size", std::uint64_t{0});
    change.mode = json.value("mode", 0U);
    change.digest = json.value("sha256", "");
    change.baseDigest = json.value("base_sha256", "");
    change.modeChanged = json.value("mode_changed", false);
    if (change.kind != ChangeKind::kAdded) {
      AGENTOS_TRY(change.baseType, typeOf(json, "base_type"));
    }
  } catch (const Json::exception& error) {
    return fail(ErrorCode::kSyntax, std::string("a change that is none: ") + error.what());
  }
  return change;
}

}  // namespace agentos::runner
