// SPDX-License-Identifier: Apache-2.0
// agent-runner overlay diff|commit DIR COUNT TOKEN: the one-shot helper in a room of its own that has the layers of a
// run and nothing else. DIR/<n>/{base,upper,live}, n from 0; DIR/state, for the journal and for the answer:
//   result.json  {"version":1, "mounts":[{"changes":[…],"refused":[…],"conflicts":[…]}]}           of diff
//                {"version":1, "committed":true, "changes":3, "refused":[…], "conflicts":[…]}      of commit
//                {"version":1, "error":{"code":"…","what":"…","remedy":"…"}}                        of either
#pragma once

#include <string>
#include <vector>

namespace agentos::runner {

// The exit status: 0 when result.json is there.
int runOverlayJob(const std::vector<std::string>& words);

}  // namespace agentos::runner
