// SPDX-License-Identifier: Apache-2.0
#include "sandbox/log.h"

#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

#include "base/journal.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kLongest = 4096;

std::string_view speaker = "agentd-spawner";

// Lines that the journal did not take are counted, and said with the next one that it does.
class Journal {
 public:
  void say(const std::string& line, Severity severity) {
    const std::size_t lost = lost_.exchange(0);
    if (lost > 0 &&
        !send(std::to_string(lost) + " lines were lost: the journal was absent or full", Severity::kWarning))
      lost_ += lost;
    if (!send(line, severity)) ++lost_;
  }

 private:
  bool send(const std::string& line, Severity severity) {
    const InstanceId id = instanceOfLine(line);
    const std::string priority = std::to_string(std::to_underlying(severity));
    const JournalField fields[] = {{"MESSAGE", line},      {"PRIORITY", priority},     {"SYSLOG_IDENTIFIER", speaker},
                                   {"AGENT_ID", id.str()}, {"AGENT_RUN_ID", id.str()}, {"AGENT_NAME", agentOf(id)}};
    return socket_.send(journalEntry(fields));
  }
  JournalSocket socket_;
  std::atomic<std::size_t> lost_ = 0;  // several threads speak
};

}  // namespace

void logLine(std::string_view text, Severity severity) {
  static const bool toJournal = stderrIsJournal();
  const std::string line = harmlessLine(text.substr(0, kLongest));
  if (toJournal) {
    static Journal journal;
    return journal.say(line, severity);
  }
  const std::string whole = std::string(speaker) + ": " + line + "\n";
  // Ignoring a failure: there is no other place to say it.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, whole.data(), whole.size());
}

void nameLog(std::string_view name) { speaker = name; }

}  // namespace agentos::sandbox
