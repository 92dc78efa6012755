// SPDX-License-Identifier: Apache-2.0
// Paths as a model writes them, held to the room's mounts: a path is made absolute, its root is found, and the rest is
// resolved beneath that root's descriptor, through no symbolic link (openat2(2)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::runner {

struct Place {
  std::string shown;  // the absolute path, normalised
  std::string root;   // "/workspace"
  std::string rest;   // beneath the root; empty: the root itself
};

class RoomFiles {
 public:
  // Roots that are not there are left out. `workDir` is what relative paths start from.
  RoomFiles(const std::vector<std::string>& roots, std::string workDir);

  Result<Place> place(std::string_view path) const;
  Result<Fd> open(const Place& place, int flags, unsigned mode = 0) const;
  // The directory that holds the place, made when `make` is set, and the last name in it.
  struct InDirectory {
    Fd directory;
    std::string name;
  };
  Result<InDirectory> parent(const Place& place, bool make) const;
  const std::vector<std::string>& roots() const { return roots_; }

 private:
  Result<Fd> openRoot(const Place& place) const;
  std::vector<std::string> roots_;  // longest first
  std::string workDir_;
};

}  // namespace agentos::runner
