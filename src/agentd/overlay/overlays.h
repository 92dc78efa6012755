// SPDX-License-Identifier: Apache-2.0
// The overlays of runs: what an agent changed in a tree of mode overlay, kept apart until it is accepted.
//
//   scratch/.overlays/<run>/run.json            which trees, whose task, and in which state
//                           <n>/base            the tree as it was when the run began (snapshot.h)
//                           <n>/layers/{upper,work}  what the run changed
//                           state/              the helper's journal and its answer
//
// Comparing and committing is done by a helper in a room of its own, which has these layers and the live tree and
// nothing else (runner/overlay_job.h): what an agent left is never walked by the daemon itself but to remove it.
//
//   open ─► held ─► accepted ─► (gone: committed)
//     └──────┴─► (gone: discarded)
//
// `accepted` is on disk before the helper starts; whoever finds it at start goes on with the commit.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/config/paths.h"
#include "base/fd.h"
#include "base/json.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

inline constexpr std::size_t kMostOverlaysOfARun = 7;  // a helper's room has 24 mounts, three for each
inline constexpr std::size_t kMostHeldOverlays = 256;  // runs whose changes nobody has accepted or thrown away

struct OverlayTree {
  std::string source, target;  // on the host, in the room
};

class Overlays {
 public:
  enum class State : std::uint8_t { kOpen, kHeld, kAccepted };
  struct Parts {
    boost::asio::io_context& io;
    boost::asio::thread_pool& pool;  // joined before this goes
    sandbox::Spawner& spawner;
    Paths paths;
  };
  struct Committed {
    bool done = false;
    std::size_t changes = 0;
    Json refused = Json::array(), conflicts = Json::array();  // why it was not: [{"path","why"}]
  };

  explicit Overlays(Parts parts);
  Overlays(const Overlays&) = delete;
  Overlays& operator=(const Overlays&) = delete;

  // Before the run's room: snapshots and empty layers. The costs, for the log.
  boost::asio::awaitable<Result<Json>> make(InstanceId id, std::string task, std::vector<OverlayTree> trees);
  bool has(const InstanceId& id) const { return runs_.contains(id); }
  std::optional<State> stateOf(const InstanceId& id) const;
  std::optional<InstanceId> heldFor(const std::string& task) const;
  std::vector<InstanceId> all() const;
  Json counts() const;  // {"open":1,"held":2,"accepted":0}

  // Until nobody looks at it or commits it.
  boost::asio::awaitable<void> idle(InstanceId id);
  // {"state","task","mounts":[{"target","source","changes","refused","conflicts"}]}
  boost::asio::awaitable<Result<Json>> changes(InstanceId id);
  // Kept until somebody decides; false, and gone: there was nothing in it.
  Result<bool> hold(const InstanceId& id);
  // All or nothing; what is refused stays held. An error: try again, it goes on where it was.
  boost::asio::awaitable<Result<Committed>> commit(InstanceId id);
  // kConflict while a commit of it is half done.
  Result<void> discard(const InstanceId& id);

  // At start: what an earlier agentd left. Half-made ones are removed.
  Result<void> load();

 private:
  struct Run {
    std::string task;
    std::vector<OverlayTree> trees;
    State state = State::kOpen;
    bool busy = false;
  };
  struct Busy;
  std::string placeOf(const InstanceId& id) const { return parts_.paths.overlays() + "/" + id.str(); }
  Result<void> keep(const InstanceId& id, const Run& run);
  Result<Run> read(const std::string& name);
  Result<Run*> take(const InstanceId& id);
  bool isEmpty(const InstanceId& id, const Run& run) const;
  void remove(const std::string& name);
  // The helper's answer; the room is gone when it returns.
  boost::asio::awaitable<Result<Json>> help(InstanceId id, std::string verb);
  sandbox::RoomPlan helperPlan(const InstanceId& id, const Run& run, const InstanceId& helper,
                               const std::string& verb) const;

  Parts parts_;
  Fd place_;
  std::map<InstanceId, Run> runs_;
};

std::string_view nameOf(Overlays::State state);

}  // namespace agentos::agentd
