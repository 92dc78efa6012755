// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

namespace agentos::sandbox {
namespace {

constexpr const char* kTemporary = "exit.json.tmp";
constexpr off_t kReserved = 4096;
constexpr std::size_t kMaxDetail = 2048;  // escaped six times over it still is small beside a block or three

void appendEscaped(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (char character : text.substr(0, kMaxDetail)) {
    auto byte = static_cast<unsigned char>(character);
    if (character == '"' || character == '\\') {
      out += {'\\', character};
    } else if (byte < 0x20) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += byte < 0x7f ? character : '?';  // our own words and paths: not worth a UTF-8 checker in here
    }
  }
}

class Object {
 public:
  void number(std::string_view key, auto value) { member(key) += std::to_string(value); }
  void boolean(std::string_view key, bool value) { member(key) += value ? "true" : "false"; }
  void optional(std::string_view key, const std::optional<int>& value) {
    member(key) += value ? std::to_string(*value) : "null";
  }
  void text(std::string_view key, std::string_view value) {
    appendEscaped(member(key) += '"', value);
    text_ += '"';
  }
  std::string take() { return text_ + "}\n"; }

 private:
  std::string& member(std::string_view key) {
    text_ += text_.size() > 1 ? ",\"" : "\"";
    return (text_ += key) += "\":";
  }
  std::string text_ = "{";
};

// The number after `key` and a space in a file of lines (flat keyed, cgroup-v2.rst), or the file's only number when the
// key is empty; 0 when there is none.
std::uint64_t readCounter(int dirFd, const char* file, std::string_view key) {
  Fd fd(openat(dirFd, file, O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  std::array<char, 2048> buffer;
  ssize_t got = read(fd.get(), buffer.data(), buffer.size());
  if (got <= 0) return 0;
  std::string_view text(buffer.data(), static_cast<std::size_t>(got));
  if (!key.empty()) {
    std::string prefix = std::string(key) + " ";
    auto at = text.starts_with(prefix) ? 0 : text.find("\n" + prefix);
    if (at == text.npos) return 0;
    text.remove_prefix(text.find(' ', at) + 1);
  }
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string formatExitRecord(const ExitRecord& record) {
  Object out;
  out.number("version", 1);
  out.optional("code", record.code);
  out.optional("signal", record.signal);
  out.boolean("core_dumped", record.coreDumped);
  out.boolean("exec_failed", record.execFailed);
  out.text("detail", record.detail);
  out.number("started_ns", record.startedNs);
  out.number("ended_ns", record.endedNs);
  out.number("ran_ns", record.ranNs);
  out.number("cpu_usec", record.cpuUsec);
  out.number("memory_peak", record.memoryPeak);
  out.number("oom_kills", record.oomKills);
  out.number("memory_high", record.memoryHigh);
  out.number("pids_refused", record.pidsRefused);
  out.number("throttled_usec", record.throttledUsec);
  return out.take();
}

Result<void> ExitRecordFile::reserve() {
  Fd file(openat(dirFd_, kTemporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640));
  if (!file) return failErrno(errno, kTemporary);
  // A file system that cannot reserve is no reason to refuse: the record is then written like any file.
  if (fallocate(file.get(), 0, 0, kReserved) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    auto failure = failErrno(errno, std::string(kTemporary) + ": reserving " + std::to_string(kReserved) + " bytes");
    discard();
    return failure;
  }
  file_ = std::move(file);
  return {};
}

void ExitRecordFile::discard() {
  file_.reset();
  unlinkat(dirFd_, kTemporary, 0);
}

Result<void> ExitRecordFile::commit(const ExitRecord& record) {
  std::string text = formatExitRecord(record);
  auto written = write(text);
  for (int retry = 0; !written && retry < 2; ++retry) {
    if (retry > 0) sleep(1);  // NOLINT(concurrency-mt-unsafe): agent-init is one thread
    discard();
    written = write(text);
  }
  return written;
}

Result<void> ExitRecordFile::write(const std::string& text) {
  if (!file_) AGENTOS_CHECK(reserve());
  for (std::size_t done = 0; done < text.size();) {
    ssize_t wrote = pwrite(file_.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failErrno(wrote < 0 ? errno : ENOSPC, kTemporary);
    done += static_cast<std::size_t>(wrote);
  }
  if (ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0) return failErrno(errno, kTemporary);
  // Named first, so that one commit of the file system's journal takes file and name. Nobody reads it before this
  // process has ended; when the machine dies before both are synced there is no record, or one that cannot be read.
  if (renameat(dirFd_, kTemporary, dirFd_, kExitRecordName) != 0) return failErrno(errno, kExitRecordName);
  if (fsync(file_.get()) == 0 && fsync(dirFd_) == 0) return {};
  auto failure = failErrno(errno, "fsync of exit.json");
  unlinkat(dirFd_, kExitRecordName, 0);  // what may not last is no record
  return failure;
}

void readUsage(int payDirFd, ExitRecord& record) {
  record.cpuUsec = readCounter(payDirFd, "cpu.stat", "usage_usec");
  record.memoryPeak = readCounter(payDirFd, "memory.peak", {});
  record.oomKills = readCounter(payDirFd, "memory.events", "oom_kill");
  record.memoryHigh = readCounter(payDirFd, "memory.events", "high");
  record.pidsRefused = readCounter(payDirFd, "pids.events", "max");
  record.throttledUsec = readCounter(payDirFd, "cpu.stat", "throttled_usec");
}

}  // namespace agentos::sandbox
