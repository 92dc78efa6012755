// SPDX-License-Identifier: Apache-2.0
// Reads events first to last, page by page, through every rotation, also while the log is written: for what is
// followed. Blocking reads of files: for the pool, not for the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "govern/audit_log.h"

namespace agentos::govern {

class AuditReader {
 public:
  // The events that `wanted` lets through, whatever its limit. `notBefore` is where to begin to look: files that end a
  // day and more before it are not read (a day, since the wall clock may have been set back).
  AuditReader(std::string directory, AuditFilter wanted, std::optional<Timestamp> notBefore = {});

  // The next ones, about maxBytes of lines; none when there is nothing more yet: ask again later to follow. Each once,
  // also when the writer had to write them anew into another file.
  Result<std::vector<AuditEntry>> next(std::size_t maxBytes = std::size_t{256} * 1024);
  // Of the last event that was looked at, whether it was wanted or not.
  std::uint64_t lastSequence() const { return last_; }

 private:
  Result<void> openFirst();
  Result<bool> openNext();
  Result<std::size_t> readMore(std::vector<AuditEntry>& found, std::size_t& bytes);
  Result<void> take(std::string_view line, std::vector<AuditEntry>& found, std::size_t& bytes);

  std::string path_;
  AuditFilter wanted_;
  std::optional<Timestamp> notBefore_;
  Fd directory_, file_;
  std::uint64_t number_ = 0;  // of the open file
  std::uint64_t offset_ = 0;  // of the first line in it that was not read; what is no whole line yet is read again
  std::uint64_t last_ = 0;
};

}  // namespace agentos::govern
