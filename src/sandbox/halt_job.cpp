// SPDX-License-Identifier: Apache-2.0
#include "sandbox/halt_job.h"

#include <cerrno>
#include <utility>

namespace agentos::sandbox {
namespace {

constexpr std::chrono::seconds kHaltTime(2);

}  // namespace

HaltJob::HaltJob(Host& host, bool kill, std::set<InstanceId> making, Answer answer)
    : GroupJob(std::move(answer), kHaltTime), host_(host), kill_(kill), making_(std::move(making)) {
  begin({});  // looked at by the timer: a watch for each group would cost more than it saves
}

// A room that ends meanwhile needs no halt; any other failure is told after the rest has been written.
Result<void> HaltJob::writeAll() {
  AGENTOS_TRY(const auto ids, listInstances(host_.keeper.get()));
  Result<void> first;
  for (const auto& id : ids) {
    if (making_.contains(id)) continue;
    auto pay = openGroupAt(host_.keeper.get(), id.str() + "/pay");
    auto written = pay ? writeGroupFile(pay->get(), kill_ ? "cgroup.kill" : "cgroup.freeze", "1")
                       : Result<void>(std::unexpected(pay.error()));
    if (written) {
      left_.push_back({id, *std::move(pay)});
    } else if (first && written.error().code != ErrorCode::kNotFound && written.error().sysErrno != ENODEV) {
      first = std::unexpected(std::move(written).error().within(id.str()));
    }
  }
  return first;
}

// A group that cannot be read has been removed.
bool HaltJob::isDone(int pay) const {
  const auto events = eventsOf(pay);
  return !events || (kill_ ? !events->populated : events->frozen);
}

Result<bool> HaltJob::look() {
  if (!std::exchange(written_, true)) AGENTOS_CHECK(writeAll());
  std::erase_if(left_, [this](const Left& one) { return isDone(one.pay.get()); });
  return left_.empty();
}

Error HaltJob::tooLate() const {
  return fail(ErrorCode::kTimedOut,
              std::to_string(left_.size()) + " rooms were not " + (kill_ ? "killed" : "frozen") + " in 2 s, " +
                  left_.front().id.str() + " among them",
              "a process there may hang in the kernel: kill or sweep it")
      .error();
}

}  // namespace agentos::sandbox
