// SPDX-License-Identifier: Apache-2.0
#include "sandbox/cloner.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "sandbox/breach.h"
#include "sandbox/channel.h"

#if defined(__has_feature)
#define AGENTOS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define AGENTOS_SANITIZED 0
#endif

namespace agentos::sandbox {
namespace {

// The kernel call in line, so that the child, which goes on in this frame while the thread is held, overwrites nothing
// that the thread still needs: it returns from nothing, and no return address lies below the frame. A sanitizer's
// shadow of the stack would be wrong afterwards; with one, and on other processors, the child gets a copy.
#if defined(__x86_64__) && !AGENTOS_SANITIZED
constexpr std::uint64_t kShare = CLONE_VM | CLONE_VFORK;
[[gnu::noinline]] long cloneAndRun(clone_args* arguments, const ChildPlan& plan) {
  long result = SYS_clone3;
  asm volatile("syscall" : "+a"(result) : "D"(arguments), "S"(sizeof *arguments) : "rcx", "r11", "memory");
  if (result == 0) runChild(plan);
  return result;
}
#elif defined(__aarch64__) && !AGENTOS_SANITIZED
constexpr std::uint64_t kShare = CLONE_VM | CLONE_VFORK;
[[gnu::noinline]] long cloneAndRun(clone_args* arguments, const ChildPlan& plan) {
  register long number asm("x8") = SYS_clone3;
  register auto result asm("x0") = reinterpret_cast<long>(arguments);
  register long size asm("x1") = sizeof *arguments;
  asm volatile("svc #0" : "+r"(result) : "r"(number), "r"(size) : "memory");
  if (result == 0) runChild(plan);
  return result;
}
#else
constexpr std::uint64_t kShare = 0;
long cloneAndRun(clone_args* arguments, const ChildPlan& plan) {
  long result = ::syscall(SYS_clone3, arguments, sizeof *arguments);
  if (result == 0) runChild(plan);
  return result < 0 ? -errno : result;
}
#endif

// In the child's place, in its words (room_child.h).
void sayFailed(int sync, int error, const std::string& step) {
  std::string number = std::to_string(std::clamp(error, 0, 999));
  std::string text = std::string(1, kChildFailed) + std::string(3 - number.size(), '0') + number + " " + step;
  [[maybe_unused]] auto sent = sendPacket(sync, text);  // a spawner that gave it up does not need to know
}

// Without the memory's copy the thread is back when the child has executed agent-init, or is dead.
void bearOne(NetPool& networks, Birth& birth) {
  auto entered = isDown("network") ? Result<void>() : networks.enterFresh();
  birth.placed.wait(0);  // in any case: until then the group is the loop's to set
  if (!entered) return sayFailed(birth.sync.get(), entered.error().sysErrno, "entering a network namespace");
  if (!birth.group) return networks.leave();
  birth.plan.sync = birth.sync.get();
  clone_args arguments{};
  arguments.flags = (isDown("userns") ? std::uint64_t{0} : CLONE_NEWUSER) | CLONE_NEWPID | CLONE_PIDFD |
                    CLONE_PARENT_SETTID | CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND | kShare;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&birth.pidfd);
  arguments.parent_tid = reinterpret_cast<std::uint64_t>(&birth.pid);
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<std::uint64_t>(birth.group.get());
  long pid = cloneAndRun(&arguments, birth.plan);
  if (pid < 0) sayFailed(birth.sync.get(), static_cast<int>(-pid), "clone3");
  networks.leave();
}

}  // namespace

// The threads share it, and are never waited for: one may be held by a child of a spawner that is leaving.
struct Cloner::Shared {
  explicit Shared(std::shared_ptr<NetPool> pool) : networks(std::move(pool)) {}
  std::shared_ptr<NetPool> networks;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::shared_ptr<Birth>> queue;
  std::size_t idle = 0;
  bool stopping = false;
};

namespace {

// No thread ends before the spawner does: to the kernel it is the parent, at whose death the child dies.
template <class SharedPointer>
void work(const SharedPointer& shared) {
  std::unique_lock lock(shared->mutex);
  while (true) {
    ++shared->idle;
    shared->wake.wait(lock, [&] { return shared->stopping || !shared->queue.empty(); });
    --shared->idle;
    if (shared->stopping) return;
    auto birth = std::move(shared->queue.front());
    shared->queue.pop_front();
    lock.unlock();
    bearOne(*shared->networks, *birth);
    birth->sync.reset();
    birth->group.reset();
    birth.reset();
    lock.lock();
  }
}

}  // namespace

Cloner::Cloner(std::shared_ptr<NetPool> networks) : shared_(std::make_shared<Shared>(std::move(networks))) {}

Cloner::~Cloner() {
  std::lock_guard lock(shared_->mutex);
  shared_->stopping = true;
  shared_->wake.notify_all();
}

void Cloner::place(Birth& birth, Fd group) {
  birth.group = std::move(group);
  birth.placed = 1;
  birth.placed.notify_one();
}

// A thread more when all are held: no more than rooms may be in the making at once, and those that a file system holds.
Result<void> Cloner::bear(std::shared_ptr<Birth> birth) {
  std::lock_guard lock(shared_->mutex);
  shared_->queue.push_back(std::move(birth));
  try {
    if (shared_->queue.size() > shared_->idle) std::thread([shared = shared_] { work(shared); }).detach();
  } catch (const std::system_error& error) {
    shared_->queue.pop_back();
    return failErrno(error.code().value(), "starting a thread", "fewer rooms at once", ErrorCode::kSandboxSetup);
  }
  shared_->wake.notify_one();
  return {};
}

}  // namespace agentos::sandbox
