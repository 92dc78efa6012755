// SPDX-License-Identifier: Apache-2.0
#include "sandbox/record_writer.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "base/files.h"
#include "base/ids.h"

namespace agentos::sandbox {

namespace {

// Under its name first, whole, and then to disk: one commit of the file system's journal takes both, where a file that
// is synced before it is renamed takes two. After a power cut in between there is no record, or one that cannot be
// read: of a room that was never told to go.
Result<void> createRecord(int directory, std::string_view bytes) {
  std::string temporary = ".launch-" + randomToken(8);
  Fd file(::openat(directory, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return failErrno(errno, "cannot create " + temporary);
  auto written = writeAll(file.get(), bytes);
  if (written && ::renameat2(directory, temporary.c_str(), directory, kLaunchFile, RENAME_NOREPLACE) != 0) {
    written = errno == EEXIST ? fail(ErrorCode::kExists, std::string(kLaunchFile) + " exists already", "a new instance")
                              : failErrno(errno, std::string("cannot create ") + kLaunchFile);
  }
  if (!written) {
    ::unlinkat(directory, temporary.c_str(), 0);
    return written;
  }
  if (::fsync(file.get()) == 0 && ::fsync(directory) == 0) return {};
  auto failure = failErrno(errno, std::string("cannot sync ") + kLaunchFile);
  ::unlinkat(directory, kLaunchFile, 0);
  return failure;
}

}  // namespace

Result<std::unique_ptr<RecordWriter>> RecordWriter::start() {
  Fd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) return failErrno(errno, "eventfd");
  return std::unique_ptr<RecordWriter>(new RecordWriter(std::move(ready)));
}

RecordWriter::RecordWriter(Fd ready) : ready_(std::move(ready)), thread_([this] { run(); }) {}

RecordWriter::~RecordWriter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void RecordWriter::write(std::uint64_t ticket, Fd directory, std::string bytes) {
  {
    std::lock_guard lock(mutex_);
    orders_.push_back({ticket, std::move(directory), std::move(bytes)});
  }
  wake_.notify_one();
}

std::vector<RecordWriter::Done> RecordWriter::takeDone() {
  std::uint64_t count = 0;
  [[maybe_unused]] auto got = ::read(ready_.get(), &count, sizeof count);  // EAGAIN: nothing is done
  std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void RecordWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !orders_.empty(); });
    if (orders_.empty()) return;
    Order order = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    auto result = createRecord(order.directory.get(), order.bytes);
    lock.lock();
    done_.push_back({order.ticket, std::move(result)});
    std::uint64_t one = 1;
    [[maybe_unused]] auto sent = ::write(ready_.get(), &one, sizeof one);  // never full
  }
}

}  // namespace agentos::sandbox
