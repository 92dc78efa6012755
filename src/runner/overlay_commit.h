// SPDX-License-Identifier: Apache-2.0
// Puts the changes of an overlay into the live tree: all of them, or none.
//   1. every change is held against the tree as it is now; one that somebody else changed meanwhile refuses the whole
//   2. the list goes into journal.json, with the digest of what each change replaces
//   3. each file is written beside its place, synced, and put there by one rename; what comes out is looked at again,
//      and when it is not what the agent began from, everything is taken back
//   4. the tree is synced, and the journal removed
// Killed anywhere, the next call goes on from the journal, in the direction it was going in. Until 4 the lower layer
// holds what was there before, so that nothing is taken back from memory.
#pragma once

#include <string>
#include <vector>

#include "runner/overlay_diff.h"

namespace agentos::runner {

struct Layers {
  int base = -1, upper = -1, live = -1;  // directories
};

// What stands in the way now; empty when a commit would go through.
Result<std::vector<Refusal>> findConflicts(const Layers& layers, const std::vector<Change>& changes);

struct CommitOutcome {
  bool committed = false;
  std::size_t changes = 0;
  std::vector<Refusal> refused, conflicts;
};

// The layers of one run, in the order of its mounts. `state`: a directory of ours for the journal; `token`: a name for
// what is written beside files, the run's id. An error: it could not be done and may be tried again.
Result<CommitOutcome> commitLayers(const std::vector<Layers>& mounts, int state, const std::string& token);

}  // namespace agentos::runner
