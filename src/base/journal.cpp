// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace agentos {
namespace {

bool isFieldName(std::string_view name) {
  auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  return !name.empty() && name.size() <= 64 && upper(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return upper(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// At most kMostOfAField, and no character of UTF-8 cut in two.
std::string_view clipped(std::string_view value) {
  if (value.size() <= kMostOfAField) return value;
  std::size_t end = kMostOfAField;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return value.substr(0, end);
}

// The protocol's length: 64 bits, little endian on every machine.
void appendLength(std::string& out, std::uint64_t length) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>((length >> (8 * i)) & 0xFF);
}

void appendEscape(std::string& out, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

// The C1 controls are two bytes in UTF-8; a terminal may take U+009B for the beginning of a command.
bool isLateControl(std::string_view text, std::size_t at) {
  return at + 1 < text.size() && text[at] == '\xC2' && static_cast<unsigned char>(text[at + 1]) < 0xA0;
}

std::string harmless(std::string_view text, std::string_view newline) {
  const bool utf8 = isValidUtf8(text);
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n') {
      out += newline;
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !utf8)) {
      appendEscape(out, byte);
    } else if (isLateControl(text, at)) {
      appendEscape(out, static_cast<unsigned char>(text[++at]));
    } else {
      out += text[at];
    }
  }
  return out;
}

}  // namespace

std::string journalEntry(std::span<const JournalField> fields) {
  std::string entry;
  for (const auto& field : fields) {
    if (field.value.empty() || !isFieldName(field.name)) continue;
    const auto value = clipped(field.value);
    entry += field.name;
    if (value.contains('\n')) {
      entry += '\n';
      appendLength(entry, value.size());
    } else {
      entry += '=';
    }
    entry += value;
    entry += '\n';
  }
  return entry;
}

bool stderrIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): asked once, at the start
  struct stat status{};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return std::string_view(stream) == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

std::string harmlessLog(std::string_view text) { return harmless(text, "\n    "); }
std::string harmlessLine(std::string_view text) { return harmless(text, "\\n"); }

InstanceId instanceOfLine(std::string_view line) {
  const auto colon = line.substr(0, 80).find(": ");
  auto id = InstanceId::parse(line.substr(0, colon == line.npos ? 0 : colon));
  return id ? *std::move(id) : InstanceId();
}

JournalSocket::JournalSocket(std::string path)
    : path_(std::move(path)), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}

// Addressed anew each time: a journal that was started again is found without asking.
bool JournalSocket::send(std::string_view entry) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!fd_ || entry.empty() || path_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  const auto* to = reinterpret_cast<const sockaddr*>(&address);  // NOLINT: the sockets' own way
  return ::sendto(fd_.get(), entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to, sizeof address) >= 0;
}

}  // namespace agentos
