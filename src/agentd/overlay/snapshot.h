// SPDX-License-Identifier: Apache-2.0
// The lower layer of a run's overlay: the tree as it was when the run began. A live tree under an overlay would be
// undefined as soon as anybody wrote to it (the kernel's overlayfs documentation), and there would be nothing to hold
// a commit against. Blocks are shared where the file system can (FICLONE: btrfs, xfs), else copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace agentos::agentd {

inline constexpr std::size_t kMostSnapshotEntries = 100'000;
inline constexpr std::uint64_t kMostSnapshotBytes = std::uint64_t{4} << 30;

struct SnapshotCost {
  std::size_t entries = 0;
  std::uint64_t bytes = 0, shared = 0;  // of all files; of those whose blocks are shared
};

// Into `target`, an empty directory of ours. Files, directories and links, with their modes but for set-id bits; what
// is anything else is left out. kTooLarge beyond the bounds, and what cannot be read fails it: an agent that was shown
// half of a tree would delete the other half by copying it.
Result<SnapshotCost> takeSnapshot(int source, int target, const std::string& name);

// `name` and all beneath it, whatever modes an agent gave its directories.
Result<void> removeTree(int directory, const std::string& name);

}  // namespace agentos::agentd
