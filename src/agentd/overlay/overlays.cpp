// SPDX-License-Identifier: Apache-2.0
#include "agentd/overlay/overlays.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "agentd/api/on_pool.h"
#include "agentd/overlay/snapshot.h"
#include "base/fault.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;
using State = Overlays::State;

constexpr std::string_view kGone = ".gone-";
constexpr auto kLookAgain = std::chrono::milliseconds(20);
constexpr const char* kRunFile = "run.json";

Result<void> makeAt(int directory, const std::string& name, mode_t mode) {
  if (::mkdirat(directory, name.c_str(), mode) != 0) return failErrno(errno, "making " + name + " for an overlay");
  return {};
}

// One tree's layers in `place`, and what its snapshot cost.
Result<SnapshotCost> makeLayers(int place, const std::string& name, const OverlayTree& tree) {
  AGENTOS_CHECK(makeAt(place, name, 0700));
  AGENTOS_TRY(Fd own, openBeneath(place, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_CHECK(makeAt(own.get(), "base", 0700));
  AGENTOS_CHECK(makeAt(own.get(), "layers", 0700));
  AGENTOS_CHECK(makeAt(own.get(), "layers/work", 0700));
  AGENTOS_CHECK(makeAt(own.get(), "layers/upper", 0700));
  AGENTOS_TRY(Fd root, openDirectory("/"));
  // No link is followed, as the spawner follows none: what may be mounted is decided by the path alone.
  auto source = openBeneath(root.get(), tree.source.substr(1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!source) return std::unexpected(std::move(source).error().within("the overlay's source " + tree.source));
  AGENTOS_TRY(Fd base, openBeneath(own.get(), "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_TRY(auto cost, takeSnapshot(source->get(), base.get(), tree.source));
  struct stat info{};
  // The room sees the upper layer's root for the tree's.
  const bool fits = ::fstat(source->get(), &info) == 0 && ::fchmod(base.get(), (info.st_mode & 0777U) | 0700U) == 0 &&
                    ::fchmodat(own.get(), "layers/upper", (info.st_mode & 0777U) | 0700U, 0) == 0;
  if (!fits) return failErrno(errno, "the mode of " + tree.source);
  return cost;
}

Result<Json> makeAll(int overlays, const std::string& name, const std::vector<OverlayTree>& trees) {
  AGENTOS_CHECK(makeAt(overlays, name, 0700));
  AGENTOS_TRY(Fd place, openBeneath(overlays, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  AGENTOS_CHECK(makeAt(place.get(), "state", 0700));
  Json costs = Json::array();
  for (std::size_t i = 0; i < trees.size(); ++i) {
    AGENTOS_TRY(auto cost, makeLayers(place.get(), std::to_string(i), trees[i]));
    costs.push_back(
        {{"source", trees[i].source}, {"entries", cost.entries}, {"bytes", cost.bytes}, {"shared_bytes", cost.shared}});
  }
  return costs;
}

std::unexpected<Error> unknown(const InstanceId& id) {
  return fail(ErrorCode::kNotFound, id.str() + " has no changes that are kept apart",
              "a mount of mode overlay makes such, until they are committed or discarded");
}

}  // namespace

std::string_view nameOf(State state) {
  return state == State::kOpen ? "open" : state == State::kHeld ? "held" : "accepted";
}

// Nobody else touches a run's layers while the helper does.
struct Overlays::Busy {
  explicit Busy(Run& one) : run(one) { run.busy = true; }
  ~Busy() { run.busy = false; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  Run& run;  // entries of a map stay where they are, and a busy one is not removed
};

Overlays::Overlays(Parts parts) : parts_(std::move(parts)) {}

asio::awaitable<Result<Json>> Overlays::make(InstanceId id, std::string task, std::vector<OverlayTree> trees) {
  if (runs_.size() >= kMostHeldOverlays) {
    co_return fail(ErrorCode::kRefused, std::to_string(runs_.size()) + " runs have changes that nobody decided about",
                   "agentctl commit or agentctl discard some of them");
  }
  if (!place_) {
    AGENTOS_CO_TRY(place_, makeDirectories(parts_.paths.overlays(), 0700));
  }
  Run run{std::move(task), trees, State::kOpen, false};
  auto costs = co_await onPool<Result<Json>>(
      parts_.pool,
      [place = place_.get(), name = id.str(), trees = std::move(trees)] { return makeAll(place, name, trees); });
  auto kept = costs ? keep(id, run) : Result<void>(std::unexpected(costs.error()));
  if (!kept) {
    remove(id.str());
    co_return std::unexpected(std::move(kept).error());
  }
  runs_[id] = std::move(run);
  faultPoint("overlay.made");
  co_return costs;
}

std::optional<State> Overlays::stateOf(const InstanceId& id) const {
  auto found = runs_.find(id);
  if (found == runs_.end()) return std::nullopt;
  return found->second.state;
}

std::optional<InstanceId> Overlays::heldFor(const std::string& task) const {
  auto found = std::ranges::find_if(
      runs_, [&](const auto& one) { return one.second.task == task && one.second.state != State::kOpen; });
  if (task.empty() || found == runs_.end()) return std::nullopt;
  return found->first;
}

std::vector<InstanceId> Overlays::all() const {
  std::vector<InstanceId> ids;
  for (const auto& [id, run] : runs_) ids.push_back(id);
  return ids;
}

Json Overlays::counts() const {
  Json counts = {{"open", 0}, {"held", 0}, {"accepted", 0}};
  for (const auto& [id, run] : runs_) {
    auto& one = counts[std::string(nameOf(run.state))];
    one = one.get<int>() + 1;
  }
  return counts;
}

Result<void> Overlays::keep(const InstanceId& id, const Run& run) {
  AGENTOS_TRY(Fd place, openBeneath(place_.get(), id.str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Json trees = Json::array();
  for (const auto& tree : run.trees) trees.push_back({{"source", tree.source}, {"target", tree.target}});
  return replaceFile(place.get(), kRunFile,
                     dumpJson({{"version", 1}, {"task", run.task}, {"state", nameOf(run.state)}, {"trees", trees}}),
                     0600);
}

Result<Overlays::Run> Overlays::read(const std::string& name) {
  AGENTOS_TRY(auto text, readFile(place_.get(), name + "/" + kRunFile));
  AGENTOS_TRY(auto json, parseJson(text));
  Run run;
  try {
    if (json.at("version") != 1) return fail(ErrorCode::kSyntax, "an overlay of another version");
    run.task = json.at("task").get<std::string>();
    const auto word = json.at("state").get<std::string>();
    run.state = word == "open" ? State::kOpen : word == "held" ? State::kHeld : State::kAccepted;
    for (const auto& tree : json.at("trees"))
      run.trees.push_back({tree.at("source").get<std::string>(), tree.at("target").get<std::string>()});
  } catch (const Json::exception& error) {
    return fail(ErrorCode::kSyntax, std::string("run.json of an overlay: ") + error.what());
  }
  return run;
}

Result<Overlays::Run*> Overlays::take(const InstanceId& id) {
  auto found = runs_.find(id);
  if (found == runs_.end()) return unknown(id);
  if (found->second.busy)
    return fail(ErrorCode::kConflict, "the changes of " + id.str() + " are being looked at", "ask again");
  return &found->second;
}

bool Overlays::isEmpty(const InstanceId& id, const Run& run) const {
  for (std::size_t i = 0; i < run.trees.size(); ++i) {
    auto upper = openBeneath(place_.get(), id.str() + "/" + std::to_string(i) + "/layers/upper",
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto names = upper ? listDirectory(upper->get()) : std::unexpected(upper.error());
    if (!names || !names->empty()) return false;
  }
  return true;
}

// Out of sight at once; what that takes on disk is the pool's to remove, or the next start's.
void Overlays::remove(const std::string& name) {
  std::string gone = name.starts_with(kGone) ? name : std::string(kGone) + name;
  if (gone != name && ::renameat(place_.get(), name.c_str(), place_.get(), gone.c_str()) != 0) return;
  asio::post(parts_.pool, [place = place_.get(), gone = std::move(gone)] {
    auto removed = removeTree(place, gone);
    if (!removed) spdlog::warn("the overlay {} is not removed: {}", gone, removed.error().message());
  });
}

Result<bool> Overlays::hold(const InstanceId& id) {
  AGENTOS_TRY(Run * run, take(id));
  if (isEmpty(id, *run)) {
    AGENTOS_CHECK(discard(id));
    return false;
  }
  if (run->state == State::kHeld) return true;
  Run held = *run;
  held.state = State::kHeld;
  // It may lie there for days: on disk, with the layers it speaks of.
  if (::syncfs(place_.get()) != 0) return failErrno(errno, "syncing the changes of " + id.str());
  AGENTOS_CHECK(keep(id, held));
  *run = std::move(held);
  return true;
}

asio::awaitable<void> Overlays::idle(InstanceId id) {
  asio::steady_timer timer(parts_.io);
  for (auto found = runs_.find(id); found != runs_.end() && found->second.busy; found = runs_.find(id)) {
    timer.expires_after(kLookAgain);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<Result<Json>> Overlays::changes(InstanceId id) {
  AGENTOS_CO_TRY(Run * run, take(id));
  const Busy busy(*run);
  AGENTOS_CO_TRY(auto answer, co_await help(id, "diff"));
  Json mounts = Json::array();
  for (std::size_t i = 0; i < run->trees.size(); ++i) {
    Json mount = answer.contains("mounts") && i < answer["mounts"].size() ? answer["mounts"][i] : Json::object();
    mount["target"] = run->trees[i].target, mount["source"] = run->trees[i].source;
    mounts.push_back(std::move(mount));
  }
  co_return Json{{"id", id.str()}, {"state", nameOf(run->state)}, {"task", run->task}, {"mounts", std::move(mounts)}};
}

asio::awaitable<Result<Overlays::Committed>> Overlays::commit(InstanceId id) {
  AGENTOS_CO_TRY(Run * run, take(id));
  Committed outcome;
  {
    const Busy busy(*run);
    Run accepted = *run;
    accepted.state = State::kAccepted, accepted.busy = false;
    AGENTOS_CO_CHECK(keep(id, accepted));
    run->state = State::kAccepted;
    faultPoint("overlay.accepted");
    AGENTOS_CO_TRY(auto answer, co_await help(id, "commit"));
    faultPoint("overlay.committed");
    outcome.done = answer.value("committed", false);
    outcome.changes = answer.value("changes", std::size_t{0});
    outcome.refused = answer.value("refused", Json::array());
    outcome.conflicts = answer.value("conflicts", Json::array());
    if (!outcome.done) {
      accepted.state = State::kHeld;
      AGENTOS_CO_CHECK(keep(id, accepted));
      run->state = State::kHeld;
    }
  }
  if (outcome.done) {
    remove(id.str());
    runs_.erase(id);
  }
  co_return outcome;
}

Result<void> Overlays::discard(const InstanceId& id) {
  AGENTOS_TRY([[maybe_unused]] Run * run, take(id));
  auto half = stampOf(place_.get(), id.str() + "/state/journal.json");
  if (half) {
    return fail(ErrorCode::kConflict, "a commit of the changes of " + id.str() + " is half done",
                "agentctl commit " + id.str() + " goes on with it, or takes it back");
  }
  remove(id.str());
  runs_.erase(id);
  return {};
}

Result<void> Overlays::load() {
  auto place = openDirectory(parts_.paths.overlays());
  if (!place && place.error().code == ErrorCode::kNotFound) return {};
  if (!place) return std::unexpected(std::move(place).error());
  place_ = *std::move(place);
  AGENTOS_TRY(auto names, listDirectory(place_.get()));
  for (const auto& name : names) {
    auto id = InstanceId::parse(name);
    auto run = id ? read(name) : Result<Run>(std::unexpected(id.error()));
    if (run) {
      runs_.emplace(*id, *std::move(run));
    } else {
      if (!name.starts_with(kGone)) spdlog::warn("the overlay {} is left over: {}", name, run.error().message());
      remove(name);
    }
  }
  return {};
}

}  // namespace agentos::agentd
