// SPDX-License-Identifier: Apache-2.0
#include "models/costs.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <map>
#include <set>

#include "base/fault.h"
#include "base/files.h"
#include "base/text.h"
#include "models/json_read.h"

namespace agentos::models {
namespace {

constexpr const char* kFolder = "finance/costs";
constexpr std::size_t kPage = 1000;
constexpr std::size_t kMostFileBytes = std::size_t{1} << 30;

using LinesByDay = std::map<std::string, std::vector<std::pair<std::int64_t, std::string>>>;

// The settlement id of a line; none for a line of somebody else's.
std::optional<std::int64_t> settlementOf(std::string_view line) {
  const auto json = parseJson(line);
  return json ? intAt(*json, "settlement") : std::nullopt;
}

Result<Fd> openFolder(int companyRootFd) {
  AGENTOS_CHECK(makeDirectoriesBeneath(companyRootFd, kFolder, 02770));
  return openBeneath(companyRootFd, kFolder, O_RDONLY | O_DIRECTORY);
}

// The file as it is read from its end backwards, a block at a time, until `enough` says so: a day's file may be long,
// and only what follows the ledger's mark is of interest.
Result<std::string> readTail(int fd, std::int64_t after) {
  constexpr off_t kBlock = 64 << 10;
  off_t from = lseek(fd, 0, SEEK_END);
  std::string tail;
  while (from > 0) {
    const off_t size = std::min(kBlock, from);
    std::string block(static_cast<std::size_t>(size), '\0');
    from -= size;
    if (pread(fd, block.data(), block.size(), from) != static_cast<ssize_t>(block.size()))
      return failErrno(errno, "reading a cost file");
    tail.insert(0, block);
    const auto start = tail.find('\n');
    if (start == std::string::npos) continue;
    const auto end = tail.find('\n', start + 1);
    if (end == std::string::npos) continue;
    const auto id = settlementOf(std::string_view(tail).substr(start + 1, end - start - 1));
    if (id && *id <= after) break;
  }
  return tail;
}

// Without a newline at its end the last line is torn: a write that a crash cut short.
Result<void> mendTail(int fd, const std::string& tail) {
  if (tail.empty() || tail.ends_with('\n')) return {};
  const auto start = tail.rfind('\n') + 1;  // npos + 1 is 0
  if (parseJson(std::string_view(tail).substr(start))) return writeAll(fd, "\n");
  const off_t size = lseek(fd, 0, SEEK_END);
  if (ftruncate(fd, size - static_cast<off_t>(tail.size() - start)) != 0)
    return failErrno(errno, "cutting a torn cost line");
  return {};
}

Result<std::size_t> appendDay(int folder, const std::string& day,
                              const std::vector<std::pair<std::int64_t, std::string>>& lines, std::int64_t after) {
  AGENTOS_TRY(const Fd file, openBeneath(folder, day + ".jsonl", O_RDWR | O_APPEND | O_CREAT, 0660));
  AGENTOS_TRY(const std::string tail, readTail(file.get(), after));
  AGENTOS_CHECK(mendTail(file.get(), tail));
  std::set<std::int64_t> there;
  for (const std::string_view line : split(tail, '\n'))
    if (const auto id = settlementOf(line)) there.insert(*id);
  std::string fresh;
  std::size_t count = 0;
  for (const auto& [id, line] : lines)
    if (!there.contains(id)) fresh += line, ++count;
  if (count == 0) return 0;
  faultPoint("costs.append.before");
  AGENTOS_CHECK(writeAll(file.get(), fresh));
  AGENTOS_CHECK(syncFd(file.get(), day + ".jsonl"));
  AGENTOS_CHECK(syncFd(folder, kFolder));
  faultPoint("costs.append.written");
  return count;
}

Result<LinesByDay> linesOf(const std::vector<Ledger::Settlement>& settlements, std::string_view zone) {
  LinesByDay days;
  for (const Ledger::Settlement& settlement : settlements) {
    AGENTOS_TRY(const std::string day, localDate(settlement.time, zone));
    AGENTOS_TRY(std::string line, costLine(settlement, zone));
    days[day].emplace_back(settlement.id, std::move(line));
  }
  return days;
}

bool isDayFile(std::string_view name) { return name.size() == 16 && name.ends_with(".jsonl"); }

// The lines that are not ours, as they stand.
Result<std::string> foreignLines(int folder, const std::string& name) {
  const auto text = readFile(folder, name, kMostFileBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  if (!text) return std::unexpected(text.error());
  std::string kept;
  for (const std::string_view line : split(*text, '\n'))
    if (!trim(line).empty() && !settlementOf(line)) kept.append(line).append("\n");
  return kept;
}

}  // namespace

Result<std::string> costLine(const Ledger::Settlement& settlement, std::string_view zone) {
  AGENTOS_TRY(const std::string time, formatLocal(settlement.time, zone));
  const auto quote = [](const std::string& text) { return dumpJson(text); };
  return fmt::format(
      R"({{"timestamp":{},"agent":{},"task":{},"cost_usd":{},"cost_micro_usd":{},"model":{},"run":{},"outcome":{},)"
      R"("input_tokens":{},"output_tokens":{},"cached_tokens":{},"settlement":{}}})"
      "\n",
      quote(time), quote(settlement.account.agent), quote(settlement.account.task), formatUsd(settlement.cost),
      settlement.cost.count, quote(settlement.model), quote(settlement.account.instance), quote(settlement.outcome),
      settlement.usage.inputTokens, settlement.usage.outputTokens, settlement.usage.cachedTokens, settlement.id);
}

Result<std::size_t> appendCosts(int companyRootFd, Ledger& ledger, std::string_view zone) {
  AGENTOS_TRY(const std::int64_t mark, ledger.exportedUpTo());
  AGENTOS_TRY(const Fd folder, openFolder(companyRootFd));
  std::size_t written = 0;
  for (std::int64_t after = mark;;) {
    AGENTOS_TRY(const auto page, ledger.settlements(after, kPage));
    if (page.empty()) return written;
    AGENTOS_TRY(const LinesByDay days, linesOf(page, zone));
    for (const auto& [day, lines] : days) {
      AGENTOS_TRY(const std::size_t count, appendDay(folder.get(), day, lines, mark));
      written += count;
    }
    after = page.back().id;
    AGENTOS_CHECK(ledger.markExported(after));
  }
}

Result<std::size_t> rebuildCosts(int companyRootFd, Ledger& ledger, std::string_view zone) {
  AGENTOS_TRY(const Fd folder, openFolder(companyRootFd));
  std::map<std::string, std::string> files;
  std::size_t written = 0;
  std::int64_t after = 0;
  for (;;) {
    AGENTOS_TRY(const auto page, ledger.settlements(after, kPage));
    if (page.empty()) break;
    AGENTOS_TRY(const LinesByDay days, linesOf(page, zone));
    for (const auto& [day, lines] : days)
      for (const auto& [id, line] : lines) files[day + ".jsonl"] += line, ++written;
    after = page.back().id;
  }
  AGENTOS_TRY(const auto names, listDirectory(folder.get()));
  for (const std::string& name : names)
    if (isDayFile(name)) files.try_emplace(name);
  for (const auto& [name, ours] : files) {
    AGENTOS_TRY(const std::string foreign, foreignLines(folder.get(), name));
    AGENTOS_CHECK(replaceFile(folder.get(), name, foreign + ours));
  }
  AGENTOS_CHECK(ledger.markExported(after));
  return written;
}

}  // namespace agentos::models
