// SPDX-License-Identifier: Apache-2.0
#include "govern/filter.h"

#include <charconv>

#include "base/text.h"

namespace agentos::govern {
namespace {

bool fits(const std::string& wanted, const std::string& there) { return wanted.empty() || wanted == there; }

}  // namespace

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

}  // namespace agentos::govern
