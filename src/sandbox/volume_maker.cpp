// SPDX-License-Identifier: Apache-2.0
#include "sandbox/volume_maker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace agentos::sandbox {

Result<std::unique_ptr<VolumeMaker>> VolumeMaker::start(std::string directory, std::string parking) {
  Fd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready) return failErrno(errno, "eventfd");
  return std::unique_ptr<VolumeMaker>(new VolumeMaker(std::move(directory), std::move(parking), std::move(ready)));
}

VolumeMaker::VolumeMaker(std::string directory, std::string parking, Fd ready)
    : directory_(std::move(directory)),
      parking_(std::move(parking)),
      ready_(std::move(ready)),
      thread_([this] { run(); }) {}

VolumeMaker::~VolumeMaker() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void VolumeMaker::open(std::uint64_t ticket, VolumePlan plan) {
  {
    std::lock_guard lock(mutex_);
    orders_.emplace_back(ticket, std::move(plan));
  }
  wake_.notify_one();
}

std::vector<VolumeMaker::Done> VolumeMaker::takeDone() {
  std::uint64_t count = 0;
  [[maybe_unused]] auto got = ::read(ready_.get(), &count, sizeof count);  // EAGAIN: nothing is done
  std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void VolumeMaker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !orders_.empty(); });
    if (stopping_) return;
    auto [ticket, plan] = std::move(orders_.front());
    orders_.pop_front();
    lock.unlock();
    auto tree = openVolume(directory_, parking_, plan);
    lock.lock();
    done_.push_back({ticket, std::move(tree)});
    std::uint64_t one = 1;
    [[maybe_unused]] auto sent = ::write(ready_.get(), &one, sizeof one);  // never full
  }
}

}  // namespace agentos::sandbox
