// SPDX-License-Identifier: Apache-2.0
// The clocks of a run: its time, its heartbeat and its progress. All of them stand still while it is paused.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "agentd/spawn_task.h"
#include "agentd/supervisor/supervisor_impl.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

}  // namespace

void SupervisorImpl::startClocks(Instance& instance) {
  startTimeout(instance);
  const BootTime now = parts_.clock.bootNow();
  for (StoppableSpan* span : {&instance.health.beat, &instance.health.progress}) span->start(now);
  armHealth(instance);
}

void SupervisorImpl::stopClocks(Instance& instance) {
  stopTimeout(instance);
  const BootTime now = parts_.clock.bootNow();
  for (StoppableSpan* span : {&instance.health.beat, &instance.health.progress}) span->stop(now);
  armHealth(instance);
  keepHealth(instance);
}

// One alarm for whichever is due first. While it is set already for an earlier moment it is left: a heartbeat moves a
// deadline on a thousand times for each time that one passes.
void SupervisorImpl::armHealth(Instance& instance) {
  std::optional<BootTime> first;
  for (const auto& due : {instance.health.beat.due(), instance.health.progress.due()})
    if (due && (!first || *due < *first)) first = due;
  if (first && instance.healthAlarm != 0 && instance.healthArmedFor <= *first) return;
  parts_.alarms.cancel(std::exchange(instance.healthAlarm, 0));
  if (!first) return;
  instance.healthArmedFor = *first;
  instance.healthAlarm = parts_.alarms.at(*first, [this, id = instance.id()] {
    auto live = findLive(id);
    if (!live) return;
    (*live)->healthAlarm = 0;
    onHealthAlarm(*live);
  });
}

void SupervisorImpl::onHealthAlarm(const InstancePtr& instance) {
  const BootTime now = parts_.clock.bootNow();
  Health& health = instance->health;
  if (health.beat.due() && *health.beat.due() <= now) {
    health.beat.restart(now);
    const std::string missed = "no heartbeat for " + formatDuration(health.beat.span());
    if (missedBeat(instance, missed)) return;
  }
  if (health.progress.due() && *health.progress.due() <= now) {
    if (!outputGrew(*instance)) {
      return endHung(instance, EndCause::kNoProgress, "no progress for " + formatDuration(health.progress.span()));
    }
    health.progress.restart(now);
  }
  armHealth(*instance);
}

bool SupervisorImpl::missedBeat(const InstancePtr& instance, const std::string& missed) {
  Health& health = instance->health;
  const auto verdict = countMiss(health, *instance->contract, missed);
  audit(*instance, "instance.unhealthy", "agentd",
        {{"reason", missed}, {"misses", health.misses}, {"of", instance->contract->health.misses}}, false);
  keepHealth(*instance);
  if (verdict == MissVerdict::kGoOn) return false;
  endHung(instance, EndCause::kHung, missed + ", " + std::to_string(health.misses) + " times in a row");
  return true;
}

void SupervisorImpl::endHung(const InstancePtr& instance, EndCause cause, std::string why) {
  instance->hungWhy = std::move(why);
  auto work = [](SupervisorImpl* self, InstancePtr held, EndCause reason) -> asio::awaitable<void> {
    const Nanoseconds grace = held->contract->run.stop.grace;
    [[maybe_unused]] auto done = co_await self->endRun(held, Event::kTimeout, reason, "agentd", grace);
  };
  spawnTask(parts_.io.get_executor(), "end of the hung " + instance->id().str(), work(this, instance, cause));
}

// A program that only prints makes progress, too. Looked at when the span is over, so it costs nothing before.
bool SupervisorImpl::outputGrew(Instance& instance) {
  struct stat info{};
  const std::string path = instance.id().str() + "/output.log";
  if (::fstatat(logDir_.get(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const std::pair<std::uint64_t, std::int64_t> now{info.st_ino, info.st_size};
  return std::exchange(instance.outputSeen, now) != now;
}

void SupervisorImpl::heartbeat(const InstanceId& id) {
  auto live = findLive(id);
  if (!live || (*live)->view.state != State::kRunning) return;
  Instance& instance = **live;
  const bool wasUnhealthy = instance.health.misses > 0;
  const bool first = countBeat(instance.health, parts_.clock.now());
  instance.health.beat.restart(parts_.clock.bootNow());
  if (first || wasUnhealthy) {
    audit(instance, first ? "instance.ready" : "instance.healthy", "agentd", Json::object(), false);
    keepHealth(instance);
  }
  keepHealthSometimes(instance, instance.health.beat);
}

void SupervisorImpl::progress(const InstanceId& id) {
  auto live = findLive(id);
  if (!live || !(*live)->health.progress.watched()) return;
  (*live)->health.progress.restart(parts_.clock.bootNow());
  keepHealthSometimes(**live, (*live)->health.progress);
}

void SupervisorImpl::keepHealthSometimes(Instance& instance, const StoppableSpan& span) {
  const BootTime now = parts_.clock.bootNow();
  if (span.watched() && now - instance.healthKept >= span.span() / 4) keepHealth(instance);
}

void SupervisorImpl::keepHealth(Instance& instance) {
  const Health& health = instance.health;
  if (!healthTable_ || !(health.beat.watched() || health.progress.watched())) return;
  instance.healthKept = parts_.clock.bootNow();
  if (auto kept = healthTable_->save(instance.id(), health); !kept)
    spdlog::warn("{}: its health: {}", instance.id().str(), kept.error().message());
}

}  // namespace agentos::agentd
