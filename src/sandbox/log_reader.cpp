// SPDX-License-Identifier: Apache-2.0
#include "sandbox/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
static_assert(kChunk > kMaxFrame);

struct LogFileRef {
  Fd fd;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
};

// "output.log" → 0, "output.log.3" → 3, anything else → nothing.
std::optional<std::uint32_t> ageOf(std::string_view name) {
  if (!name.starts_with(kLogName)) return std::nullopt;
  name.remove_prefix(std::string_view(kLogName).size());
  if (name.empty()) return 0;
  std::uint32_t age = 0;
  if (!name.starts_with('.')) return std::nullopt;
  auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), age);
  if (error != std::errc() || end != name.data() + name.size() || age == 0) return std::nullopt;
  return age;
}

// Oldest first, as the names are right now.
Result<std::vector<LogFileRef>> scanOnce(int directory) {
  AGENTOS_TRY(auto names, listDirectory(directory));
  std::vector<std::pair<std::uint32_t, std::string>> aged;
  for (std::string& name : names) {
    if (auto age = ageOf(name)) aged.emplace_back(*age, std::move(name));
  }
  std::ranges::sort(aged, std::greater());
  std::vector<LogFileRef> files;
  for (const auto& [age, name] : aged) {
    Fd fd(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status{};
    if (!fd || fstat(fd.get(), &status) != 0) continue;  // rotated away just now
    files.push_back({std::move(fd), status.st_ino, static_cast<std::uint64_t>(status.st_size)});
  }
  return files;
}

// A rotation renames one file after the other; the order is right when two scans agree.
Result<std::vector<LogFileRef>> scan(int directory) {
  AGENTOS_TRY(auto files, scanOnce(directory));
  for (int tries = 0; tries < 10; ++tries) {
    AGENTOS_TRY(auto again, scanOnce(directory));
    bool same = std::ranges::equal(files, again, {}, &LogFileRef::inode, &LogFileRef::inode);
    files = std::move(again);
    if (same) break;
  }
  return files;
}

}  // namespace

Result<LogFrame> parseLogFrame(std::string_view line) {
  auto malformed = [&] {
    return fail(ErrorCode::kSyntax, "no log frame: \"" + std::string(line.substr(0, 60)) + "\"");
  };
  // TIME SP stream SP F|P SP text
  constexpr std::size_t kStream = kLogTimeLength + 1, kFlag = kStream + 7, kText = kFlag + 2;
  if (line.size() < kText || line[kLogTimeLength] != ' ' || line[kFlag - 1] != ' ' || line[kText - 1] != ' ') {
    return malformed();
  }
  auto name = std::ranges::find(kStreamNames, line.substr(kStream, 6));
  char flag = line[kFlag];
  auto time = parseTimestamp(line.substr(0, kLogTimeLength));
  if (!time || name == kStreamNames.end() || (flag != 'F' && flag != 'P')) return malformed();
  return LogFrame{*time, static_cast<LogStream>(name - kStreamNames.begin()), std::string(line.substr(kText)),
                  flag == 'P'};
}

LogReader::LogReader(Fd directory, LogCursor from, std::optional<Timestamp> since)
    : directory_(std::move(directory)), cursor_(from), since_(since) {}

Result<std::vector<LogFrame>> LogReader::next(std::size_t maxBytes) {
  std::vector<LogFrame> frames;
  if (!file_) {
    AGENTOS_TRY(bool opened, openNext());
    if (!opened) return frames;
  }
  for (std::size_t total = 0; total < maxBytes;) {
    AGENTOS_TRY(std::size_t got, readMore(frames));
    if (!frames.empty()) total += got;  // what `since` passes over does not count: an empty answer means the end
    if (got > 0) continue;
    AGENTOS_TRY(bool another, openNext());
    if (!another) break;
  }
  return frames;
}

bool LogReader::isNewest() const {
  struct stat status{};
  return file_ && fstatat(directory_.get(), kLogName, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         status.st_ino == cursor_.inode;
}

// Opens the cursor's file, or when that is open and read to its end, the one after it; false when there is none. What
// was written between the last read and the rotation is still read: a file is left only when it did not grow since.
Result<bool> LogReader::openNext() {
  if (isNewest()) return false;
  AGENTOS_TRY(auto files, scan(directory_.get()));
  if (files.empty()) return false;
  auto mine = std::ranges::find(files, cursor_.inode, &LogFileRef::inode);
  if (mine == files.end() || cursor_.offset > mine->size) {
    skipped_ = skipped_ || cursor_.inode != 0;
    mine = files.begin();
    cursor_ = {mine->inode, 0};
  } else if (file_ && mine->size == seenEnd_) {
    if (++mine == files.end()) return false;
    cursor_ = {mine->inode, 0};
  }
  file_ = std::move(mine->fd);
  return true;
}

// Bytes taken; 0: no further whole line.
Result<std::size_t> LogReader::readMore(std::vector<LogFrame>& frames) {
  std::string buffer(kChunk, '\0');
  ssize_t got = pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(cursor_.offset));
  if (got < 0) return failErrno(errno, kLogName);
  std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
  seenEnd_ = cursor_.offset + rest.size();
  std::size_t taken = 0;
  for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    take(rest.substr(0, end), frames);
    rest.remove_prefix(end + 1);
    taken += end + 1;
  }
  if (taken == 0 && rest.size() == kChunk) taken = kChunk;  // no frame is that long: garbage, to the next newline
  cursor_.offset += taken;
  return taken;
}

void LogReader::take(std::string_view line, std::vector<LogFrame>& frames) const {
  auto frame = parseLogFrame(line);
  if (frame && (!since_ || frame->time >= *since_)) frames.push_back(*std::move(frame));
}

}  // namespace agentos::sandbox
