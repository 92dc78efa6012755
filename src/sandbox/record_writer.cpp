// SPDX-License-Identifier: Apache-2.0
#include "sandbox/record_writer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/files.h"

namespace agentos::sandbox {

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
    auto result = createFile(order.directory.get(), kLaunchFile, order.bytes, 0644);
    lock.lock();
    done_.push_back({order.ticket, std::move(result)});
    std::uint64_t one = 1;
    [[maybe_unused]] auto sent = ::write(ready_.get(), &one, sizeof one);  // never full
  }
}

}  // namespace agentos::sandbox
