// SPDX-License-Identifier: Apache-2.0
// Uid ranges, one a live room. A range is held by a lock (flock(2)) on <run>/slots/<n>, whose descriptor agent-init
// inherits and keeps open: the range stays taken as long as the room lives, whatever happens to the spawner. The file
// names the room, since PID 1 closes its descriptors a moment before the last of its processes is dead.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "base/ids.h"

namespace agentos::sandbox {

struct Slot {
  std::uint32_t number = 0;
  Fd lock;
};

class Slots {
 public:
  // `alive` says whether anything still runs in the groups of that room.
  using Alive = std::function<bool(const InstanceId& id)>;
  Slots(Fd directory, std::uint32_t count, Alive alive);
  Slots(const Slots&) = delete;
  Slots& operator=(const Slots&) = delete;

  // The lowest free one (its user namespaces are likely made already). kSandboxNoSlot when all are taken.
  Result<Slot> take(const InstanceId& id);
  // Writes the room's name into its slot; before anything of the agent's runs in it, but not in anybody's way.
  Result<void> sign(const Slot& slot, const InstanceId& id);
  // After nothing runs in the room any more: its range may be given again. A lock that somebody still holds keeps it.
  void release(const InstanceId& id);
  // The lowest that take would try, to prepare it.
  std::uint32_t next() const;

 private:
  Result<std::optional<Slot>> scan(const InstanceId& id);
  Result<Fd> tryLock(std::uint32_t number, const InstanceId& id);
  Fd directory_;
  std::uint32_t count_;
  Alive alive_;
  std::map<std::uint32_t, std::string> taken_;  // known to be in use, by whom; the locks are the truth
};

}  // namespace agentos::sandbox
