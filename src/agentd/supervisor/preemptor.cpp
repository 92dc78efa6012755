// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/preemptor.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "agentd/spawn_task.h"
#include "base/files.h"

namespace agentos::agentd {
namespace asio = boost::asio;
namespace {

constexpr std::int64_t kEnough = 10;  // percent of the machine's memory

// The line "MemTotal:   16303188 kB" of /proc/meminfo; none where it is not there.
std::optional<std::int64_t> memoryOf(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const auto digits = text.find_first_of("0123456789", at + key.size());
  std::int64_t kilobytes = 0;
  if (digits == std::string_view::npos) return std::nullopt;
  std::from_chars(text.data() + digits, text.data() + text.size(), kilobytes);
  return kilobytes;
}

// A program that its own memory.high holds back stalls, too, and the kernel's word does not tell whose want it is:
// where memory is to be had, nobody else is helped by a freeze.
bool machineHasMemory() {
  const auto text = readPath("/proc/meminfo");
  if (!text) return false;
  const auto total = memoryOf(*text, "MemTotal:"), left = memoryOf(*text, "MemAvailable:");
  return total && left && *left * 100 >= *total * kEnough;
}

}  // namespace

Preemptor::Preemptor(asio::io_context& io, const Clock& clock, Alarms& alarms, PreemptionRules rules, Hands hands)
    : io_(io), clock_(clock), alarms_(alarms), state_(rules), hands_(std::move(hands)) {}

Preemptor::~Preemptor() {
  *alive_ = false;
  alarms_.cancel(alarm_);
}

void Preemptor::watch(std::vector<Fd> triggers) {
  triggers_.clear();
  for (auto& one : triggers) triggers_.push_back(std::make_unique<asio::posix::stream_descriptor>(io_, one.release()));
  for (auto pressure : {Pressure::kMemory, Pressure::kCpu}) {
    if (static_cast<std::size_t>(pressure) < triggers_.size()) waitFor(pressure);
  }
}

// The kernel says it at most once in a window, by POLLPRI.
void Preemptor::waitFor(Pressure pressure) {
  auto& trigger = *triggers_[static_cast<std::size_t>(pressure)];
  trigger.async_wait(asio::posix::descriptor_base::wait_error,
                     [this, pressure, alive = alive_](const boost::system::error_code& error) {
                       if (error || !*alive) return;
                       if (pressure != Pressure::kMemory || !machineHasMemory()) onPressure(pressure);
                       waitFor(pressure);
                     });
}

void Preemptor::onPressure(Pressure pressure) {
  if (working_) return;  // one at a time: the next window asks again
  working_ = true;
  spawnTask(io_.get_executor(), "preemption", giveWay(pressure));
}

void Preemptor::takeOver(const InstanceId& id) {
  state_.found(id, clock_.bootNow());
  arm();
}

asio::awaitable<void> Preemptor::giveWay(Pressure pressure) {
  const auto alive = alive_;
  const auto victim = state_.onPressure(pressure, clock_.bootNow(), hands_.running());
  if (victim) {
    const InstanceId id = *victim;
    auto done = co_await hands_.preempt(id, pressure);
    if (!*alive) co_return;
    if (done) {
      state_.preempted(id, clock_.bootNow());
    } else {
      spdlog::warn("{}: not preempted: {}", id.str(), done.error().message());
    }
  }
  working_ = false;
  arm();
}

asio::awaitable<void> Preemptor::goOn() {
  const auto alive = alive_;
  while (const auto due = state_.due(clock_.bootNow())) {
    const InstanceId id = *due;
    if (!hands_.isPreempted(id)) {
      state_.forget(id);
      continue;
    }
    auto done = co_await hands_.relieve(id);
    if (!*alive) co_return;
    state_.relieved(id, clock_.bootNow());
    if (done || !hands_.isPreempted(id)) continue;
    // Still frozen: counted from now, and tried again.
    spdlog::warn("{}: does not go on: {}", id.str(), done.error().message());
    state_.preempted(id, clock_.bootNow());
  }
  working_ = false;
  arm();
}

void Preemptor::look() {
  alarm_ = 0;
  if (working_) return;  // which arms again when it is done
  working_ = true;
  spawnTask(io_.get_executor(), "preemption", goOn());
}

void Preemptor::arm() {
  alarms_.cancel(std::exchange(alarm_, 0));
  if (const auto next = state_.nextLook()) alarm_ = alarms_.at(*next, [this] { look(); });
}

}  // namespace agentos::agentd
