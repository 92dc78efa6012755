// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "base/text.h"
#include "govern/audit_log.h"
#include "govern/line.h"
#include "govern/log_files.h"

namespace agentos::govern {
namespace {

bool fits(const std::string& wanted, const std::string& there) { return wanted.empty() || wanted == there; }

bool matches(const AuditFilter& filter, const AuditEntry& entry) {
  return (filter.upToSequence == 0 || entry.sequence <= filter.upToSequence) &&
         (filter.kind.empty() || matchesPattern(filter.kind, entry.event.kind)) &&
         fits(filter.agent, entry.event.agent) && fits(filter.instance, entry.event.instance) &&
         fits(filter.task, entry.event.task) && fits(filter.trace, entry.event.trace) &&
         (!filter.since || entry.time >= *filter.since) && (!filter.until || entry.time <= *filter.until);
}

// Of a line as we write it: between quotes a quote is escaped, so "seq": stands there once as a key after data's.
std::uint64_t sequenceOf(std::string_view line) {
  constexpr std::string_view kKey = "\"seq\":";
  std::uint64_t sequence = 0;
  if (auto at = line.rfind(kKey); at != std::string_view::npos) {
    std::from_chars(line.data() + at + kKey.size(), line.data() + line.size(), sequence);
  }
  return sequence;
}

// Most lines can be passed over without parsing them: a wanted id stands in the line as it is.
bool mayMatch(const AuditFilter& filter, std::string_view line) {
  if (filter.upToSequence != 0 && sequenceOf(line) > filter.upToSequence) return false;
  for (const auto* id : {&filter.agent, &filter.instance, &filter.task, &filter.trace}) {
    if (!id->empty() && line.find(*id) == std::string_view::npos) return false;
  }
  return true;
}

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
