// SPDX-License-Identifier: Apache-2.0
#include "sandbox/group_job.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "sandbox/room_parts.h"

namespace agentos::sandbox {
namespace {

constexpr std::chrono::milliseconds kLookEvery(20);
constexpr std::chrono::seconds kFreezeTime(2);
constexpr std::chrono::seconds kSweepTime(10);

std::string groupPath(const Host& host, const InstanceId& id, const char* file) {
  return "/proc/self/fd/" + std::to_string(host.keeper.get()) + "/" + id.str() + file;
}

}  // namespace

GroupJob::GroupJob(Answer answer, std::chrono::milliseconds patience)
    : answer_(std::move(answer)), deadline_(std::chrono::steady_clock::now() + patience), nextLook_(deadline_) {}

void GroupJob::begin(const std::string& eventsFile) {
  check();
  if (finished_) return;
  // Ignoring a failure: the timer looks as well.
  events_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (events_) ::inotify_add_watch(events_.get(), eventsFile.c_str(), IN_MODIFY);
}

void GroupJob::onReady() {
  std::array<char, 4096> buffer;
  while (::read(events_.get(), buffer.data(), buffer.size()) > 0) {
  }
  check();
}

void GroupJob::onWake() { check(); }

void GroupJob::check() {
  auto now = std::chrono::steady_clock::now();
  auto so = look();
  if (!so) return end(std::move(so).error());
  if (*so) return end(std::monostate{});
  if (now >= deadline_) return end(tooLate());
  nextLook_ = std::min(deadline_, now + kLookEvery);
}

void GroupJob::end(ReplyBody body) {
  finished_ = true;
  answer_(std::move(body), {});
}

FreezeJob::FreezeJob(Host& host, InstanceId id, bool freeze, Answer answer)
    : GroupJob(std::move(answer), kFreezeTime), id_(std::move(id)), freeze_(freeze) {
  auto groups = openInstanceGroups(host.keeper.get(), id_);
  if (groups) pay_ = std::move(groups->pay);
  begin(groupPath(host, id_, "/pay/cgroup.events"));
}

Result<bool> FreezeJob::look() {
  if (!pay_) return fail(ErrorCode::kNotFound, "no room of " + id_.str(), "an instance that is running");
  const std::string_view wanted = freeze_ ? "1" : "0";
  AGENTOS_TRY(auto asked, readGroupFile(pay_.get(), "cgroup.freeze"));
  if (!asked.starts_with(wanted)) {
    // Whoever asks last is obeyed: the thaw of a stop is not undone by the pause that it overtook.
    if (written_)
      return fail(ErrorCode::kConflict, id_.str() + (freeze_ ? " was thawed" : " was frozen") + " meanwhile");
    AGENTOS_CHECK(writeGroupFile(pay_.get(), "cgroup.freeze", wanted));
  }
  written_ = true;
  AGENTOS_TRY(auto now, eventsOf(pay_.get()));
  return now.frozen == freeze_;
}

Error FreezeJob::tooLate() const {
  return fail(ErrorCode::kTimedOut, "not every process of " + id_.str() + (freeze_ ? " froze" : " thawed") + " in 2 s",
              "one may hang in the kernel: kill it")
      .error();
}

SweepJob::SweepJob(Host& host, InstanceId id, Answer answer)
    : GroupJob(std::move(answer), kSweepTime), host_(host), id_(std::move(id)) {
  begin(groupPath(host, id_, "/cgroup.events"));
}

Result<bool> SweepJob::look() {
  auto top = openGroupAt(host_.keeper.get(), id_.str());
  if (!top && top.error().code != ErrorCode::kNotFound) return std::unexpected(std::move(top).error());
  if (top) {
    AGENTOS_TRY(auto events, eventsOf(top->get()));
    if (events.populated) {
      AGENTOS_CHECK(writeGroupFile(top->get(), "cgroup.kill", "1"));
      AGENTOS_TRY(events, eventsOf(top->get()));
      if (events.populated) return false;
    }
    auto removed = removeInstanceGroups(host_.keeper.get(), id_);
    if (!removed && removed.error().code == ErrorCode::kConflict) return false;
    if (!removed) return std::unexpected(std::move(removed).error());
  }
  ::unlinkat(host_.sockets.get(), socketName(id_).c_str(), 0);
  host_.slots->release(id_);
  return true;
}

Error SweepJob::tooLate() const {
  return fail(ErrorCode::kTimedOut, "something in the room of " + id_.str() + " did not die in 10 s",
              "a process that hangs in the kernel, on a dead network file system or disk")
      .error();
}

}  // namespace agentos::sandbox
