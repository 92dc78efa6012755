// SPDX-License-Identifier: Apache-2.0
// What an agent changed: the upper layer of an overlay (overlayfs(5) in the kernel's documentation, with userxattr)
// against the lower one, which nobody writes.
//   a 0:0 character device is a deletion; user.overlay.opaque=y on a directory hides all of the lower one's
// Whatever else is not a file, a directory or a link that stays inside is refused, and a refusal refuses the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "runner/overlay_entry.h"

namespace agentos::runner {

inline constexpr std::size_t kMostChanges = 50'000;
inline constexpr int kDeepestChange = 128;

enum class ChangeKind : std::uint8_t { kAdded, kChanged, kDeleted };

struct Change {
  ChangeKind kind = ChangeKind::kAdded;
  std::string path{};
  EntryType type = EntryType::kFile;  // as it is now; of a deletion: as it was
  std::uint64_t size = 0;
  unsigned mode = 0;
  std::string digest{};                   // as it is now
  EntryType baseType = EntryType::kFile;  // what it replaces or deletes
  std::string baseDigest{};
  bool modeChanged = false;  // whether it may be executed
};

struct Refusal {
  std::string path, why;
};

// Deletions first, what lies deepest first; then directories, outer ones first; then the rest. A path that was a
// directory and is a file, or the other way round, is deleted and added.
struct Diff {
  std::vector<Change> changes;
  std::vector<Refusal> refused;
};

// kTooLarge beyond kMostChanges.
Result<Diff> compareLayers(int base, int upper);

Json toJson(const Change& change);
Json toJson(const Refusal& refusal);
Result<Change> changeOf(const Json& json);

}  // namespace agentos::runner
