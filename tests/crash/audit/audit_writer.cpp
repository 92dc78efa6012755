// SPDX-License-Identifier: Apache-2.0
// Appends until it is killed, and says the sequence of each event that it was told is durable.
#include <unistd.h>

#include <cstdint>
#include <string>

#include "govern/audit_log.h"

int main(int argc, char** argv) {
  using namespace agentos;
  if (argc != 2) return 2;
  SystemClock clock;
  auto log = govern::AuditLog::open(argv[1], clock, 2000);
  if (!log) return 1;
  while (true) {
    auto entry = (*log)->append({.kind = "crash.step", .actor = "test", .data = {{"text", std::string(80, 'x')}}});
    if (!entry) return 1;
    std::uint64_t sequence = entry->sequence;
    if (::write(STDOUT_FILENO, &sequence, sizeof sequence) < 0) return 1;
  }
}
