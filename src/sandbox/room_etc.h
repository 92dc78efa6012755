// SPDX-License-Identifier: Apache-2.0
// What of the host's /etc rooms have, kept as the host has it: certificates that were renewed and a time zone that was
// set are there in the next room, and in those that run already, as they would be for any program of the host.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace agentos::sandbox {

class RoomEtc {
 public:
  // `source`: the host's /etc, an absolute path. Copies into `target`, an empty directory, which may later be closed
  // where it is looked at, as long as it is open for writing by this descriptor; `aside`: another of the same file
  // system, for what is half made.
  static Result<std::unique_ptr<RoomEtc>> make(std::string source, Fd target, Fd aside);
  RoomEtc(const RoomEtc&) = delete;
  RoomEtc& operator=(const RoomEtc&) = delete;

  // Before a room is made: one read(2) when nothing has changed, by inotify(7). What did is made anew beside and takes
  // its place in one step, so that nobody sees it half made. An error: the old one stays, and it is tried again.
  Result<void> refresh();

  static constexpr std::size_t kEntries = 24;  // of /etc that are copied

 private:
  using Print = std::uint64_t;  // of an entry, with everything below it; 0: it is not there
  RoomEtc(std::string source, Fd target, Fd aside);
  bool mayHaveChanged();
  Result<void> copyChanged();
  Print printOf(const std::string& path, int depth);
  void watch(const std::string& path);
  Result<void> replace(const std::string& path);

  std::string source_;
  Fd target_, aside_;
  Fd changes_;          // inotify
  bool blind_ = false;  // not everything could be watched: looked at once a second instead
  std::chrono::steady_clock::time_point looked_;
  bool pending_ = true;  // something changed and is not here yet
  std::array<Print, kEntries> prints_{};
};

}  // namespace agentos::sandbox
