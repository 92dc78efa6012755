// SPDX-License-Identifier: Apache-2.0
// Idmapped mounts (mount_setattr(2)): a host owner's files show in a room as the agent's own, and what the room makes
// belongs to that owner on disk. The map is a user namespace; one is made per room range and owner, and kept.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <tuple>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

// Pairs of host ids: what is `onDisk` shows as `shown`.
struct OwnerMap {
  uid_t uidOnDisk = 0, uidShown = 0;
  gid_t gidOnDisk = 0, gidShown = 0;
  auto operator<=>(const OwnerMap&) const = default;
};

// Descriptors of user namespaces with one-id maps. Not more than `limit` are kept.
class OwnerMaps {
 public:
  explicit OwnerMaps(std::size_t limit) : limit_(limit) {}
  OwnerMaps(const OwnerMaps&) = delete;
  OwnerMaps& operator=(const OwnerMaps&) = delete;
  // Valid until the next call.
  Result<int> find(const OwnerMap& map);
  bool has(const OwnerMap& map) const { return kept_.contains(map); }

 private:
  std::size_t limit_;
  std::map<OwnerMap, Fd> kept_;
};

// What a detached mount is to be.
struct TreeOptions {
  bool writable = false;
  bool recursive = false;
  int ownerMap = -1;  // a user namespace, or none
};
// A private copy of the mount at `source` (any descriptor, O_PATH too): nosuid, nodev, apart from all propagation. It
// vanishes with the descriptor unless it was moved to a place.
Result<Fd> detachedTree(int source, const TreeOptions& options);

// Owners of a detached mount that has no map yet.
Result<void> mapOwners(int tree, int ownerMap);

}  // namespace agentos::sandbox
