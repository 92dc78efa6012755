// SPDX-License-Identifier: Apache-2.0
#include "base/ids.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/fd.h"
#include "base/files.h"

namespace agentos {
namespace {

constexpr std::string_view kTokenLetters = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::size_t kTokenLength = 6;
constexpr int kInstanceTries = 100;

bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

std::unexpected<Error> malformed(std::string_view kind, std::string_view text, std::string_view right) {
  return fail(ErrorCode::kIdMalformed, "'" + std::string(text.substr(0, 80)) + "' is no " + std::string(kind),
              std::string(right));
}

bool isAgentName(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.find("..") != std::string_view::npos) return false;
  if (!isLower(text.front()) && !isDigit(text.front())) return false;
  return std::ranges::all_of(text, [](char c) { return isLower(c) || isDigit(c) || c == '.' || c == '_' || c == '-'; });
}

// "<prefix>-YYYY-MMDD-NNN"
bool isDailyId(std::string_view prefix, std::string_view text) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  constexpr std::string_view kForm = "-dddd-dddd-";
  if (text.size() < kForm.size() + 3 || text.size() > kForm.size() + 9) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] == 'd' ? !isDigit(text[i]) : text[i] != kForm[i]) return false;
  }
  std::string_view number = text.substr(kForm.size());
  return std::ranges::all_of(number, isDigit) && (number.size() == 3 || number.front() != '0');
}

// The highest number already taken on that day, 0 when none.
std::uint64_t highestTaken(const std::vector<std::string>& names, const std::string& day) {
  std::uint64_t highest = 0;
  for (const std::string& name : names) {
    if (!name.starts_with(day) || !name.ends_with(".md")) continue;
    std::string_view number = std::string_view(name).substr(day.size(), name.size() - day.size() - 3);
    if (number.empty() || number.size() > 9 || !std::ranges::all_of(number, isDigit)) continue;
    highest = std::max<std::uint64_t>(highest, std::stoull(std::string(number)));
  }
  return highest;
}

}  // namespace

Result<void> AgentNameKind::check(std::string_view text) {
  if (isAgentName(text)) return {};
  return malformed("agent name", text, "1 to 63 of a-z 0-9 . _ - , starting with a letter or a digit, without '..'");
}

Result<void> InstanceIdKind::check(std::string_view text) {
  auto dot = text.rfind('.');
  bool good =
      dot != std::string_view::npos && isAgentName(text.substr(0, dot)) && text.size() - dot - 1 == kTokenLength &&
      std::ranges::all_of(text.substr(dot + 1), [](char c) { return kTokenLetters.find(c) != std::string_view::npos; });
  if (good) return {};
  return malformed("instance id", text, "an agent name, a dot and six of a-z 2-7, as `agentctl ps` shows it");
}

Result<void> TaskIdKind::check(std::string_view text) {
  if (isDailyId("task", text)) return {};
  return malformed("task id", text, "task-YYYY-MMDD-NNN, such as task-2026-1120-001");
}

Result<void> MessageIdKind::check(std::string_view text) {
  if (isDailyId("msg", text)) return {};
  return malformed("message id", text, "msg-YYYY-MMDD-NNN, such as msg-2026-1120-001");
}

std::string_view agentOf(const InstanceId& id) {
  std::string_view text = id.str();
  return text.substr(0, text.rfind('.'));
}

std::string randomToken(std::size_t count) {
  std::string token(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    ssize_t got = ::getrandom(token.data() + filled, count - filled, 0);
    if (got > 0) filled += static_cast<std::size_t>(got);  // else EINTR: again
  }
  for (char& c : token) c = kTokenLetters[static_cast<unsigned char>(c) & 31];
  return token;
}

Result<std::string> takeDailyId(int dirFd, std::string_view prefix, std::string_view date,
                                const std::function<bool(std::string_view)>& taken) {
  if (date.size() != 10) return fail(ErrorCode::kInternal, "not a date: " + std::string(date));
  std::string day = std::string(prefix) + "-" + std::string(date.substr(0, 4)) + "-" + std::string(date.substr(5, 2)) +
                    std::string(date.substr(8, 2)) + "-";
  AGENTOS_TRY(auto names, listDirectory(dirFd));
  for (std::uint64_t number = highestTaken(names, day) + 1;; ++number) {
    std::string digits = std::to_string(number);
    if (digits.size() < 3) digits.insert(0, 3 - digits.size(), '0');
    std::string id = day + digits;
    if (taken && taken(id)) continue;
    Fd fd(::openat(dirFd, (id + ".md").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660));
    if (fd) return id;
    if (errno != EEXIST) return failErrno(errno, "cannot create " + id + ".md");
  }
}

Result<InstanceId> takeInstanceId(int dirFd, const AgentName& agent) {
  for (int attempt = 0; attempt < kInstanceTries; ++attempt) {
    std::string name = agent.str() + "." + randomToken(kTokenLength);
    if (::mkdirat(dirFd, name.c_str(), 0750) == 0) return InstanceId::parse(name);
    if (errno != EEXIST) return failErrno(errno, "cannot make the directory of instance " + name);
  }
  return fail(ErrorCode::kInternal, "no free instance id for " + agent.str());
}

}  // namespace agentos
