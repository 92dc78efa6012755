// SPDX-License-Identifier: Apache-2.0
#include "govern/anchor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "base/text.h"

namespace agentos::govern {
namespace {

constexpr std::size_t kThinAt = 1 << 20, kMaxFile = 8 << 20;
constexpr auto kBackwardsEvery = std::chrono::hours(1);

bool isHash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<AuditHead> findHead(std::string_view line) {
  auto fields = split(line, ' ');
  if (fields.size() != 3 || !isHash(fields[1])) return std::nullopt;
  AuditHead head{0, std::string(fields[1])};
  auto [end, error] = std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), head.sequence);
  if (error != std::errc() || end != fields[0].data() + fields[0].size() || head.sequence == 0) return std::nullopt;
  return head;
}

// Complete lines only.
std::vector<std::string_view> linesOf(std::string_view text) {
  text = text.substr(0, text.rfind('\n') + 1);
  auto lines = split(text, '\n');
  if (!lines.empty()) lines.pop_back();
  return lines;
}

bool goesBack(const AuditHead& before, const AuditHead& head) {
  return head.sequence < before.sequence || (head.sequence == before.sequence && head.hash != before.hash);
}

// Whether line `i` does not go on from the one before it.
bool isBackwards(const std::vector<std::string_view>& lines, std::size_t i) {
  if (i == 0 || i >= lines.size()) return false;
  const auto before = findHead(lines[i - 1]), head = findHead(lines[i]);
  return before && head && goesBack(*before, *head);
}

Result<void> thin(int dirFd, const std::string& name, std::string_view text) {
  auto lines = linesOf(text);
  std::string kept;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool stays = i % 2 == 0 || i > lines.size() / 2 || isBackwards(lines, i) || isBackwards(lines, i + 1);
    if (stays) kept += std::string(lines[i]) + '\n';
  }
  return replaceFile(dirFd, name, kept, 0644);
}

// By the newest line that did; times of one form sort as text. A clock that was set back forbids nothing.
bool wentBackLately(const std::vector<std::string_view>& lines, Timestamp now) {
  for (std::size_t i = lines.size(); i-- > 1;) {
    if (!isBackwards(lines, i)) continue;
    const std::string time(split(lines[i], ' ')[2]);
    return time > formatUtc(now - kBackwardsEvery) && time <= formatUtc(now);
  }
  return false;
}

Result<Anchored> judge(std::string_view text, const AuditHead& head, Timestamp now) {
  const auto lines = linesOf(text);
  const auto last = lines.empty() ? std::nullopt : findHead(lines.back());
  if (!last || head.sequence > last->sequence) return Anchored::kKept;
  if (!goesBack(*last, head)) return Anchored::kPassedOver;
  if (!wentBackLately(lines, now)) return Anchored::kBackwards;
  return fail(
      ErrorCode::kAuditBroken,
      "event " + std::to_string(head.sequence) + " is to be anchored after event " + std::to_string(last->sequence),
      "the log goes forward only; when it was begun anew, move the anchor aside with the old one");
}

// What a crash left of a line goes, so that the next one does not grow out of it.
Result<void> cutTo(int fd, std::size_t size) {
  if (::ftruncate(fd, static_cast<off_t>(size)) == 0) return {};
  return failErrno(errno, "cutting an incomplete anchor");
}

struct Place {
  std::string directory, name;
};
Place placeOf(const std::string& path) {
  std::filesystem::path whole(path);
  return {whole.has_parent_path() ? whole.parent_path().string() : ".", whole.filename().string()};
}

}  // namespace

Result<std::vector<AuditHead>> readAnchors(const std::string& path) {
  auto text = readPath(path, kMaxFile);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<AuditHead>{};
  if (!text) return std::unexpected(std::move(text).error());
  std::vector<AuditHead> heads;
  std::size_t number = 0;
  for (auto line : linesOf(*text)) {
    ++number;
    auto head = findHead(line);
    if (!head) {
      return fail(ErrorCode::kAuditBroken,
                  path + ":" + std::to_string(number) + ": \"" + std::string(line.substr(0, 100)) + "\" is no anchor",
                  "a line is \"sequence hash time\"");
    }
    heads.push_back(*std::move(head));
  }
  return heads;
}

Result<Anchored> appendAnchor(const std::string& path, const AuditHead& head, Timestamp time) {
  if (head.sequence == 0) return Anchored::kPassedOver;
  auto place = placeOf(path);
  AGENTOS_TRY(Fd directory, openDirectory(place.directory));
  std::string line = std::to_string(head.sequence) + ' ' + head.hash + ' ' + formatUtc(time) + '\n';
  auto text = readFile(directory.get(), place.name, kMaxFile);
  if (!text && text.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(text).error());
  if (!text) {
    AGENTOS_CHECK(createFile(directory.get(), place.name, line, 0644));
    return Anchored::kKept;
  }
  AGENTOS_TRY(const Anchored outcome, judge(*text, head, time));
  if (outcome == Anchored::kPassedOver) return outcome;
  if (text->size() > kThinAt) AGENTOS_CHECK(thin(directory.get(), place.name, *text));
  AGENTOS_TRY(Fd file, openBeneath(directory.get(), place.name, O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!text->empty() && text->back() != '\n') AGENTOS_CHECK(cutTo(file.get(), text->rfind('\n') + 1));
  AGENTOS_CHECK(writeAll(file.get(), line));
  AGENTOS_CHECK(syncFd(file.get(), path));
  return outcome;
}

}  // namespace agentos::govern
