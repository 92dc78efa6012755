// SPDX-License-Identifier: Apache-2.0
// Notices when a live agent meets one of its limits, and says so with the figure: by the kernel's own word (inotify on
// the files of events of its group, pressure triggers that the spawner opened). While nothing is met nothing is due.
// Used on the loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/alarms.h"
#include "base/json.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

// What a limit has counted since the start of the run: "memory", "memory_high", "pids", "cpu", "io", "disk".
using LimitCounts = std::map<std::string, std::uint64_t>;

// "oom_kill 3" in a file of such lines; 0 when it is not there.
std::uint64_t countIn(std::string_view text, std::string_view key);

class LimitWatch {
 public:
  // `kind`: "limit.memory" and so on. Of one kind and one agent at most one a minute; the next has the sum.
  using Tell = std::function<void(const InstanceId& id, const char* kind, Json data)>;
  LimitWatch(boost::asio::io_context& io, const Clock& clock, Alarms& alarms, Tell tell);
  ~LimitWatch();
  LimitWatch(const LimitWatch&) = delete;
  LimitWatch& operator=(const LimitWatch&) = delete;

  // `group`: the agent's own, an absolute path. What was counted before is told at once.
  void begin(const InstanceId& id, const std::string& group, const sandbox::Limits& limits);
  // What the spawner opened for it; dropped when it is not watched (any more).
  void attach(const InstanceId& id, std::vector<sandbox::LimitSignal> signals);
  // Looks at all files now: after an activity of its own that has no word of the kernel's.
  void look(const InstanceId& id);
  // Looks for the last time, tells what was never told, and forgets it.
  LimitCounts end(const InstanceId& id);
  LimitCounts counts(const InstanceId& id) const;

 private:
  struct Watched;
  using WatchedPtr = std::shared_ptr<Watched>;
  void listen();
  void onEvents();
  void awaitPressure(const WatchedPtr& watched, std::size_t which);
  void onPressure(const WatchedPtr& watched, sandbox::LimitSignal::Kind kind);
  void lookAtEvents(Watched& watched);
  void lookAtCpu(Watched& watched);
  void lookAtIo(Watched& watched);
  void lookAtDisk(Watched& watched);
  // `total`: of its count; told when it grew, and not too often.
  void count(Watched& watched, const char* kind, std::uint64_t total, Json data);

  boost::asio::io_context& io_;
  const Clock& clock_;
  Alarms& alarms_;
  Tell tell_;
  boost::asio::posix::stream_descriptor inotify_;
  std::map<InstanceId, WatchedPtr> all_;
  std::map<int, std::weak_ptr<Watched>> byWatch_;
  bool listening_ = false;
};

}  // namespace agentos::agentd
