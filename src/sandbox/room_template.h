// SPDX-License-Identifier: Apache-2.0
// What every room has alike, made once when the spawner starts, in a mount namespace of the spawner's own: a tmpfs
// with the read-only /usr, a synthetic /etc, a /dev of eight nodes. A room's child finds it as its working directory
// and binds from it. The child's mount namespace belongs to the room's user namespace, so the kernel locks the flags
// of what it copied: not even the room's root can make these writable again.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "sandbox/room_etc.h"

namespace agentos::sandbox {

// Overlays that one room may have: places where their layers are parked while the room is made.
inline constexpr std::size_t kOverlaySpots = 8;

struct RootLink {
  std::string name, target;  // "bin" → "usr/bin"
};

struct RoomTemplate {
  std::vector<RootLink> links;
  std::vector<std::string> binds;  // directories of the template that every room has: usr, etc, dev, …
  std::shared_ptr<RoomEtc> etc;
  std::vector<std::string> masks;  // files below /proc that rooms do not get to see, relative to the root
};

// Leaves the host's mount namespace for a slave of it (what the host mounts later is seen here, nothing goes back),
// builds the template at `place`, with what it takes of `etc` (the host's /etc), and makes it the working directory.
// Once, at start.
Result<RoomTemplate> enterTemplate(const std::string& place, const std::string& etc);

}  // namespace agentos::sandbox
