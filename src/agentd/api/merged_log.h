// SPDX-License-Identifier: Apache-2.0
// What an agent printed and what agentd recorded about it, in one order of time. Blocking reads of files: for the pool.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "govern/reader.h"
#include "sandbox/log_reader.h"

namespace agentos::agentd {

using LogLine = std::variant<sandbox::LogFrame, govern::AuditEntry>;
using LogLines = std::vector<LogLine>;

class MergedLog {
 public:
  // Either may be absent. `about` says which of the events belong here; empty: all.
  MergedLog(std::optional<sandbox::LogReader> output, std::optional<govern::AuditReader> events,
            std::function<bool(const govern::AuditEntry&)> about);

  // The next lines, about maxBytes; none when there is nothing more yet: ask again later to follow. Each source keeps
  // its own order, whatever a clock did; at the same millisecond an event comes before output, but an end after it.
  // What is held in memory is a page of each.
  Result<LogLines> next(std::size_t maxBytes = std::size_t{256} * 1024);
  // All that is there now, but only the last `lines` of it, and at most `maxBytes`.
  Result<LogLines> last(std::size_t lines, std::size_t maxBytes);

 private:
  Result<void> fill();
  bool eventIsNext() const;

  std::optional<sandbox::LogReader> output_;
  std::optional<govern::AuditReader> events_;
  std::function<bool(const govern::AuditEntry&)> about_;
  std::deque<sandbox::LogFrame> frames_;
  std::deque<govern::AuditEntry> entries_;
  bool framesDry_ = false, entriesDry_ = false;
};

// A run's last event.
bool isEnd(const govern::AuditEvent& event);
// {"kind":"output",…} or {"kind":"event",…} and a newline; docs/openapi.json.
std::string jsonLine(const LogLine& line);
// The output's bytes as they were; an event as "-- TIME KIND TEXT".
std::string plainText(const LogLine& line);

}  // namespace agentos::agentd
