// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/limit_watch.h"

#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;
using Kind = sandbox::LimitSignal::Kind;

constexpr auto kTellEvery = std::chrono::minutes(1);
constexpr auto kIoWindow = std::chrono::seconds(2);  // over which a rate is measured, once there is pressure
// Throttled for less since the last look, it is not held up by its limit but brushed by it.
constexpr std::uint64_t kLeastThrottledUsec = 500'000;
constexpr std::uint64_t kNearlyPercent = 80;  // of a limit of the disk: the kernel lets no more than all of it pass
constexpr std::size_t kMaxStat = 1 << 16;

std::string readOr(const std::string& path) { return readPath(path, kMaxStat).value_or(""); }

std::uint64_t numberOf(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// One disk's line of io.stat: "254:0 rbytes=1 wbytes=2 rios=3 wios=4 …".
struct DiskWork {
  std::array<std::uint64_t, 4> done{};  // in the order of kWork
};
constexpr std::array<std::string_view, 4> kWork = {"rbytes", "wbytes", "rios", "wios"};
constexpr std::array<const char*, 4> kWorkNames = {"read_bytes", "write_bytes", "read_ops", "write_ops"};

std::map<std::string, DiskWork> readIoStat(const std::string& text) {
  std::map<std::string, DiskWork> disks;
  for (auto line : split(text, '\n')) {
    auto words = split(line, ' ');
    if (words.size() < 2) continue;
    DiskWork& work = disks[std::string(words[0])];
    for (auto word : words) {
      auto equals = word.find('=');
      auto found = std::ranges::find(kWork, word.substr(0, equals));
      if (equals != word.npos && found != kWork.end())
        work.done[static_cast<std::size_t>(found - kWork.begin())] = numberOf(word.substr(equals + 1));
    }
  }
  return disks;
}

std::array<std::uint64_t, 4> limitsOf(const sandbox::IoMax& most) {
  auto bytes = [](const auto& value) { return value ? value->count : 0; };
  auto number = [](const auto& value) { return value ? static_cast<std::uint64_t>(*value) : 0; };
  return {bytes(most.read), bytes(most.write), number(most.readOps), number(most.writeOps)};
}

}  // namespace

std::uint64_t countIn(std::string_view text, std::string_view key) {
  for (auto line : split(text, '\n')) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return numberOf(line.substr(key.size() + 1));
  }
  return 0;
}

struct LimitWatch::Watched {
  InstanceId id;
  std::string group;
  sandbox::Limits limits;
  std::vector<int> watches;
  std::vector<std::pair<Kind, std::unique_ptr<Descriptor>>> pressures;
  Fd volume;
  LimitCounts counts;
  struct Told {
    std::uint64_t total = 0;
    BootTime when;
  };
  std::map<std::string, Told, std::less<>> told;
  std::uint64_t throttledUsec = 0;
  std::map<std::string, DiskWork> work;  // when the window began
  std::optional<BootTime> windowBegan;
  AlarmId window = 0;
  bool full = false, ending = false;
};

LimitWatch::LimitWatch(boost::asio::io_context& io, const Clock& clock, Alarms& alarms, Tell tell)
    : io_(io), clock_(clock), alarms_(alarms), tell_(std::move(tell)), inotify_(io) {
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (fd) {
    inotify_.assign(fd.release());
  } else {
    spdlog::warn("limits: inotify: {}: agents that meet one are noticed at their end only", std::strerror(errno));
  }
}

LimitWatch::~LimitWatch() {
  for (const auto& [id, watched] : all_) alarms_.cancel(watched->window);
}

void LimitWatch::begin(const InstanceId& id, const std::string& group, const sandbox::Limits& limits) {
  auto watched = std::make_shared<Watched>();
  watched->id = id;
  watched->group = group;
  watched->limits = limits;
  for (const char* file : {"/memory.events", "/pids.events"}) {
    if (!inotify_.is_open()) break;
    const int number = ::inotify_add_watch(inotify_.native_handle(), (group + file).c_str(), IN_MODIFY);
    if (number < 0) continue;  // no such controller here
    watched->watches.push_back(number);
    byWatch_[number] = watched;
  }
  all_[id] = watched;
  if (!watched->watches.empty()) {
    listen();
    lookAtEvents(*watched);
  }
}

void LimitWatch::attach(const InstanceId& id, std::vector<sandbox::LimitSignal> signals) {
  auto found = all_.find(id);
  if (found == all_.end()) return;
  for (auto& signal : signals) {
    if (signal.kind == Kind::kVolume) {
      found->second->volume = std::move(signal.fd);
      lookAtDisk(*found->second);
      continue;
    }
    boost::system::error_code error;
    auto descriptor = std::make_unique<Descriptor>(io_);
    descriptor->assign(signal.fd.get(), error);
    if (error) {
      spdlog::warn("{}: limits: {}", id.str(), error.message());
      continue;
    }
    [[maybe_unused]] int owned = signal.fd.release();
    found->second->pressures.emplace_back(signal.kind, std::move(descriptor));
    awaitPressure(found->second, found->second->pressures.size() - 1);
  }
}

void LimitWatch::look(const InstanceId& id) {
  auto found = all_.find(id);
  if (found == all_.end()) return;
  lookAtEvents(*found->second);
  lookAtDisk(*found->second);
}

LimitCounts LimitWatch::end(const InstanceId& id) {
  auto found = all_.find(id);
  if (found == all_.end()) return {};
  WatchedPtr watched = found->second;
  watched->ending = true;
  lookAtEvents(*watched);
  lookAtCpu(*watched);
  lookAtDisk(*watched);
  alarms_.cancel(std::exchange(watched->window, 0));
  for (int number : watched->watches) {
    byWatch_.erase(number);
    ::inotify_rm_watch(inotify_.native_handle(), number);
  }
  all_.erase(found);
  watched->pressures.clear();
  return watched->counts;
}

LimitCounts LimitWatch::counts(const InstanceId& id) const {
  auto found = all_.find(id);
  return found == all_.end() ? LimitCounts{} : found->second->counts;
}

void LimitWatch::listen() {
  if (std::exchange(listening_, true)) return;
  inotify_.async_wait(Descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    listening_ = false;
    onEvents();
  });
}

void LimitWatch::onEvents() {
  alignas(inotify_event) std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::read(inotify_.native_handle(), buffer.data(), buffer.size())) > 0;) {
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += sizeof event + event.len;
      auto found = byWatch_.find(event.wd);
      if (found == byWatch_.end()) continue;
      if (auto watched = found->second.lock()) lookAtEvents(*watched);
    }
  }
  if (!all_.empty()) listen();
}

// The kernel's word for a trigger is POLLPRI.
void LimitWatch::awaitPressure(const WatchedPtr& watched, std::size_t which) {
  auto& [kind, descriptor] = watched->pressures.at(which);
  descriptor->async_wait(Descriptor::wait_error, [this, weak = std::weak_ptr(watched), which,
                                                  what = kind](const boost::system::error_code& error) {
    auto held = weak.lock();
    if (error || !held || held->ending) return;
    // A group that is gone says nothing but that.
    if (::access((held->group + "/cgroup.procs").c_str(), F_OK) != 0) return;
    onPressure(held, what);
    awaitPressure(held, which);
  });
}

void LimitWatch::onPressure(const WatchedPtr& watched, Kind kind) {
  lookAtDisk(*watched);
  if (kind == Kind::kCpu) return lookAtCpu(*watched);
  if (watched->windowBegan || !watched->limits.ioMax.any()) return;
  watched->work = readIoStat(readOr(watched->group + "/io.stat"));
  watched->windowBegan = clock_.bootNow();
  watched->window = alarms_.after(kIoWindow, [this, weak = std::weak_ptr(watched)] {
    if (auto held = weak.lock()) lookAtIo(*held);
  });
}

void LimitWatch::lookAtEvents(Watched& watched) {
  const std::string memory = readOr(watched.group + "/memory.events");
  const std::string pids = readOr(watched.group + "/pids.events");
  auto bytes = [](const std::optional<Bytes>& value) { return value ? Json(value->count) : Json(nullptr); };
  count(watched, "limit.memory", countIn(memory, "oom_kill"), {{"limit_bytes", bytes(watched.limits.memory)}});
  count(watched, "limit.memory_high", countIn(memory, "high"), {{"limit_bytes", bytes(watched.limits.memoryHigh)}});
  count(watched, "limit.pids", countIn(pids, "max"), {{"limit", watched.limits.pids.value_or(0)}});
}

void LimitWatch::lookAtCpu(Watched& watched) {
  if (!watched.limits.cpu) return;
  const std::string stat = readOr(watched.group + "/cpu.stat");
  const std::uint64_t throttled = countIn(stat, "throttled_usec");
  if (throttled < watched.throttledUsec + kLeastThrottledUsec) return;
  watched.throttledUsec = throttled;
  count(watched, "limit.cpu", countIn(stat, "nr_throttled"),
        {{"limit_millicores", watched.limits.cpu->count}, {"throttled_ms", throttled / 1000}});
}

// The end of a window: what each disk did in it, held against what it may.
void LimitWatch::lookAtIo(Watched& watched) {
  watched.window = 0;
  const auto began = std::exchange(watched.windowBegan, std::nullopt);
  const auto limits = limitsOf(watched.limits.ioMax);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.bootNow() - *began).count();
  if (ms <= 0) return;
  Json worst;
  std::uint64_t most = 0;
  for (const auto& [disk, now] : readIoStat(readOr(watched.group + "/io.stat"))) {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      const std::uint64_t before = watched.work[disk].done[i];
      const std::uint64_t rate =
          now.done[i] < before ? 0 : (now.done[i] - before) * 1000 / static_cast<std::uint64_t>(ms);
      const std::uint64_t percent = limits[i] == 0 ? 0 : rate * 100 / limits[i];
      if (percent < kNearlyPercent || percent <= most) continue;
      most = percent;
      worst = {{"disk", disk}, {"what", kWorkNames[i]}, {"rate", rate}, {"limit", limits[i]}};
    }
  }
  if (most > 0) count(watched, "limit.io", watched.counts["io"] + 1, std::move(worst));
}

// Full is with less than a hundredth left.
void LimitWatch::lookAtDisk(Watched& watched) {
  struct statfs info{};
  if (!watched.volume || ::fstatfs(watched.volume.get(), &info) != 0 || info.f_blocks == 0) return;
  const bool full = info.f_bavail * 100 < info.f_blocks;
  if (!std::exchange(watched.full, full) && full) {
    const auto limit = watched.limits.scratchQuota;
    count(watched, "limit.disk", watched.counts["disk"] + 1,
          {{"limit_bytes", limit ? Json(limit->count) : Json(nullptr)},
           {"free_bytes", info.f_bavail * static_cast<std::uint64_t>(info.f_bsize)}});
  }
}

void LimitWatch::count(Watched& watched, const char* kind, std::uint64_t total, Json data) {
  if (total == 0) return;
  watched.counts[kind + std::strlen("limit.")] = total;
  auto& told = watched.told[kind];
  const BootTime now = clock_.bootNow();
  const bool first = told.total == 0;
  if (total <= told.total || (!first && now - told.when < kTellEvery)) return;
  data["new"] = total - told.total;
  data["total"] = total;
  told = {total, now};
  tell_(watched.id, kind, std::move(data));
}

}  // namespace agentos::agentd
