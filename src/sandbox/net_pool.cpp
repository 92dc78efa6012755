// SPDX-License-Identifier: Apache-2.0
#include "sandbox/net_pool.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "sandbox/log.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kAlmostEmpty = 1;
constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

Result<void> raiseLoopback() {
  Fd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP;
  if (!probe || ::ioctl(probe.get(), SIOCSIFFLAGS, &request) != 0) return failStep("raising the loopback interface");
  return {};
}

// Any port is the room's own, so none needs a privilege that nothing in a room has.
Result<void> freePorts() {
  Fd file(::open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC));
  if (!file) return failStep("opening ip_unprivileged_port_start");
  return writeAll(file.get(), "0");
}

// Leaves the calling thread in it.
Result<void> enterNew() {
  if (::unshare(CLONE_NEWNET) != 0) return failStep("making a network namespace");
  AGENTOS_CHECK(raiseLoopback());
  return freePorts();
}

Result<Fd> makeOne() {
  AGENTOS_CHECK(enterNew());
  Fd made(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
  if (!made) return failStep("opening a network namespace");
  return made;
}

}  // namespace

NetPool::NetPool(std::size_t size)
    : size_(size), wanted_(size), home_(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC)), thread_([this] { run(); }) {}

NetPool::~NetPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// Empty: none is ready.
Fd NetPool::take() {
  Fd taken;
  {
    std::lock_guard lock(mutex_);
    if (ready_.empty()) return taken;
    taken = std::move(ready_.front());
    ready_.pop_front();
    if (ready_.size() > kAlmostEmpty) return taken;
    wanted_ = size_;
  }
  wake_.notify_one();
  return taken;
}

void NetPool::refill() {
  {
    std::lock_guard lock(mutex_);
    if (ready_.size() >= size_ || wanted_ == size_) return;
    wanted_ = size_;
  }
  wake_.notify_one();
}

Result<void> NetPool::enterFresh() {
  Fd prepared = take();
  if (!prepared) return enterNew();
  if (::setns(prepared.get(), CLONE_NEWNET) != 0) return failStep("entering a network namespace");
  return {};
}

// Ignoring a failure: the thread then keeps the room's namespace until its next one.
void NetPool::leave() { ::setns(home_.get(), CLONE_NEWNET); }

void NetPool::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (ready_.size() >= wanted_) {
      wanted_ = 0;
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    auto made = makeOne();
    lock.lock();
    if (made) {
      ready_.push_back(*std::move(made));
      continue;
    }
    // The room that needs one makes it itself, and says so if that fails too.
    logLine(made.error().message());
    wanted_ = 0;
    if (!stopping_) wake_.wait(lock);  // nobody wakes it a second time for the end
  }
}

}  // namespace agentos::sandbox
