// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init/log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace agentos::sandbox {
namespace {

std::string rotatedName(std::uint32_t number) { return std::string(kLogName) + "." + std::to_string(number); }

template <class Value>
void putDigits(char* at, Value value, int digits) {
  auto rest = static_cast<unsigned>(value);
  for (int i = digits; i-- > 0; rest /= 10) at[i] = static_cast<char>('0' + rest % 10);
}

}  // namespace

std::int64_t clockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::array<char, kLogTimeLength> logTime(std::int64_t realtimeNs) {
  using namespace std::chrono;
  sys_time<milliseconds> time(floor<milliseconds>(nanoseconds(realtimeNs)));
  auto day = floor<days>(time);
  year_month_day date(day);
  hh_mm_ss clock(time - day);
  std::array<char, kLogTimeLength> text{'0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 'T', '0',
                                        '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', 'Z'};
  putDigits(&text[0], int{date.year()}, 4);
  putDigits(&text[5], unsigned{date.month()}, 2);
  putDigits(&text[8], unsigned{date.day()}, 2);
  putDigits(&text[11], clock.hours().count(), 2);
  putDigits(&text[14], clock.minutes().count(), 2);
  putDigits(&text[17], clock.seconds().count(), 2);
  putDigits(&text[20], clock.subseconds().count(), 3);
  return text;
}

Result<void> LogFile::open() {
  Fd file(openat(dirFd_, kLogName, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!file) return failErrno(errno, kLogName);
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return failErrno(errno, kLogName);
  size_ = static_cast<std::uint64_t>(status.st_size);
  file_ = std::move(file);
  return {};
}

void LogFile::discard() {
  if (size_ == 0) unlinkat(dirFd_, kLogName, 0);
  file_.reset();
}

void LogFile::frame(LogStream stream, bool full, std::string_view text) {
  std::size_t need = kMaxFrame - kMaxLine + text.size();
  bool fileFull = size_ + pendingBytes_ + need > rotateAt_;
  if (fileFull || pendingBytes_ + need > pending_.size()) flush();
  if (fileFull && size_ > 0) rotate();
  char* at = pending_.data() + pendingBytes_;
  auto put = [&](std::string_view bytes) { at = std::ranges::copy(bytes, at).out; };
  auto time = logTime(clockNs(CLOCK_REALTIME));
  put({time.data(), time.size()});
  put(" ");
  put(kStreamNames[static_cast<std::size_t>(stream)]);
  put(full ? " F " : " P ");
  put(text);
  put("\n");
  pendingBytes_ = static_cast<std::size_t>(at - pending_.data());
  ++pendingFrames_;
}

void LogFile::flush() {
  if (pendingFrames_ == 0) return;
  std::uint32_t frames = std::exchange(pendingFrames_, 0);
  std::string_view bytes(pending_.data(), std::exchange(pendingBytes_, 0));
  if (lost_ > 0) {
    if (!write(lossFrame())) return noteLoss(frames, lossErrno_);
    lost_ = 0;
  }
  if (!write(bytes)) noteLoss(frames, errno);
}

std::string LogFile::lossFrame() const {
  auto time = logTime(clockNs(CLOCK_REALTIME));
  return std::string(time.data(), time.size()) + " system F " + std::to_string(lost_) +
         " lines lost: " + std::strerror(lossErrno_) + "\n";  // NOLINT(concurrency-mt-unsafe): agent-init is one thread
}

void LogFile::noteLoss(std::uint32_t frames, int err) {
  lost_ += frames;
  lossErrno_ = err;
}

// All of it, or none of it.
bool LogFile::write(std::string_view bytes) {
  if (!file_ && !open()) return false;
  if (size_ >= 2 * rotateAt_) {  // the rotation fails: no more than twice what the operator allowed
    errno = EFBIG;
    return false;
  }
  for (std::size_t done = 0; done < bytes.size();) {
    ssize_t wrote = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
    if (wrote > 0) {
      done += static_cast<std::size_t>(wrote);
    } else if (wrote == 0 || errno != EINTR) {
      int err = wrote == 0 ? ENOSPC : errno;
      // Half a frame would be read as part of the next one. When even cutting fails, the file is left for a new one.
      if (ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) rotate();
      errno = err;
      return false;
    }
  }
  size_ += bytes.size();
  return true;
}

// Ignores what fails: then the file goes on growing, up to the bound in write().
void LogFile::rotate() {
  if (keep_ == 0) {
    unlinkat(dirFd_, kLogName, 0);
  } else {
    for (std::uint32_t number = keep_; number-- > 1;) {
      renameat(dirFd_, rotatedName(number).c_str(), dirFd_, rotatedName(number + 1).c_str());
    }
    if (renameat(dirFd_, kLogName, dirFd_, rotatedName(1).c_str()) != 0) return;
  }
  file_.reset();
  size_ = 0;
  // An error is met again, and counted, by the write that needs the file.
  [[maybe_unused]] auto opened = open();
}

ssize_t LineSplitter::readFrom(int fd) {
  ssize_t got = read(fd, line_.data() + used_, line_.size() - used_);
  if (got <= 0) return got;
  used_ += static_cast<std::size_t>(got);
  cut();
  return got;
}

void LineSplitter::cut() {
  std::string_view rest(line_.data(), used_);
  for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    log_.frame(stream_, true, rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  if (rest.size() == line_.size()) {  // a line longer than a frame may be
    log_.frame(stream_, false, rest);
    used_ = 0;
    return;
  }
  std::memmove(line_.data(), rest.data(), rest.size());
  used_ = rest.size();
}

void LineSplitter::flushPartial() {
  if (used_ == 0) return;
  log_.frame(stream_, false, {line_.data(), used_});
  used_ = 0;
}

}  // namespace agentos::sandbox
