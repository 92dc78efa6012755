// SPDX-License-Identifier: Apache-2.0
// What lies under a name, as overlays compare it: its type and what it holds. Names are resolved one directory at a
// time and no link is followed, since what is looked at was written by an agent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::runner {

enum class EntryType : std::uint8_t { kFile, kDirectory, kLink, kWhiteout, kOther };
std::string_view nameOf(EntryType type);  // "file", "directory", "link"

struct Entry {
  EntryType type = EntryType::kOther;
  std::uint64_t size = 0;  // of a link: of its target
  unsigned mode = 0;       // permission, set-id and sticky bits
  std::string digest;      // SHA-256 of a file's content or a link's target; empty for the rest
  bool sameContent(const Entry& other) const { return type == other.type && digest == other.digest; }
};

// Nothing when the name is not there. kDenied and the like for a file that cannot be read.
Result<std::optional<Entry>> readEntry(int directory, const std::string& name);
// The same for a path beneath `root`; nothing when a directory on the way is not there or is something else.
Result<std::optional<Entry>> readEntryAt(int root, const std::string& path);
Result<std::string> readLinkAt(int directory, const std::string& name);

// A directory to list and to open things in, never through a link.
Result<Fd> openListing(int directory, const std::string& name);

std::string parentOf(const std::string& path);  // "." for a name alone
std::string lastOf(const std::string& path);

}  // namespace agentos::runner
