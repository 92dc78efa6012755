// SPDX-License-Identifier: Apache-2.0
// Entries for systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram an entry,
// fields as NAME=value. Not sd_journal_sendv(3), which waits while the journal's queue is full: a supervisor that waits
// for its log supervises nobody. Here an entry is taken at once or not at all, and the caller counts.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/ids.h"

namespace agentos {

inline constexpr const char* kJournalSocket = "/run/systemd/journal/socket";
// Of one value, so that an entry of a score of fields stays far below what a datagram may be (net.core.wmem_default).
inline constexpr std::size_t kMostOfAField = 8 << 10;

struct JournalField {
  std::string_view name;  // A-Z, 0-9 and _, at most 64, no digit or _ first; another one is left out
  std::string_view value;
};
// The datagram. Empty values are left out; a value with a newline is sent with its length, so that it stays one field.
std::string journalEntry(std::span<const JournalField> fields);

// Standard error goes to the journal: the device and inode of $JOURNAL_STREAM are its own (systemd.exec(5)).
bool stderrIsJournal();

// `text` for a log: other control characters than the newline as \x1b, a further line indented so that it never looks
// like a line of its own, bytes that are no UTF-8 as \xff.
std::string harmlessLog(std::string_view text);
// The same in one line: a newline as \n.
std::string harmlessLine(std::string_view text);

// A line about an instance begins with its id and a colon, everywhere. None: another line.
InstanceId instanceOfLine(std::string_view line);

class JournalSocket {
 public:
  explicit JournalSocket(std::string path = kJournalSocket);
  // False: the journal is absent or full, and the entry is lost. Never waits.
  bool send(std::string_view entry);

 private:
  std::string path_;
  Fd fd_;
};

}  // namespace agentos
