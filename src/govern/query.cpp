// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>

#include "base/files.h"
#include "govern/audit_log.h"
#include "govern/filter.h"
#include "govern/line.h"
#include "govern/log_files.h"

namespace agentos::govern {
namespace {

// All of the file lies after the page that is wanted.
Result<bool> isBeyond(int fd, const AuditFilter& filter) {
  if (filter.upToSequence == 0) return false;
  LineReader lines(fd);
  AGENTOS_TRY(auto first, lines.next());
  return first && sequenceOf(*first) > filter.upToSequence;
}

// From the end of the file; true when the search is over. The sequence falls, so what is not after afterSequence ends
// it.
Result<bool> searchFile(int fd, const AuditFilter& filter, std::vector<AuditEntry>& found) {
  AGENTOS_TRY(bool beyond, isBeyond(fd, filter));
  if (beyond) return false;
  AGENTOS_TRY(auto stamp, stampOf(fd));
  ReverseLineReader lines(fd, stamp.size);
  while (found.size() < filter.limit) {
    AGENTOS_TRY(auto line, lines.next());
    if (!line) return false;
    if (!mayMatch(filter, *line)) continue;
    AGENTOS_TRY(auto entry, parseLine(*line));
    if (entry.sequence <= filter.afterSequence) return true;
    if (matches(filter, entry)) found.push_back(std::move(entry));
  }
  return true;
}

}  // namespace

Result<std::vector<AuditEntry>> queryAudit(const std::string& directory, const AuditFilter& filter) {
  AGENTOS_TRY(Fd dir, openDirectory(directory));
  AGENTOS_TRY(auto numbers, listLogFiles(dir.get()));
  std::vector<AuditEntry> found;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    AGENTOS_TRY(Fd file, openLogFile(dir.get(), *number, O_RDONLY));
    auto over = searchFile(file.get(), filter, found);
    if (!over) return std::unexpected(std::move(over).error().within(directory + "/" + logFileName(*number)));
    if (*over) break;
  }
  std::ranges::reverse(found);
  return found;
}

}  // namespace agentos::govern
