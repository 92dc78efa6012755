// SPDX-License-Identifier: Apache-2.0
// The helper's room: the layers, the live tree, a place for the answer, and the runtime that ships with agentd. No
// network listener, no scratch, no company, no secret.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "agentd/overlay/overlays.h"
#include "base/files.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kLongestHelp = std::chrono::minutes(10);
constexpr std::size_t kMostAnswer = std::size_t{64} << 20;
constexpr std::int64_t kHelperPids = 16;

bool isOurs(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && status.st_uid == ::getuid();
}

// False: it took too long.
asio::awaitable<bool> ends(asio::io_context& io, Fd pidfd) {
  using namespace asio::experimental::awaitable_operators;
  asio::posix::stream_descriptor process(io, pidfd.release());
  asio::steady_timer late(io, kLongestHelp);
  auto first = co_await (process.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable) ||
                         late.async_wait(asio::use_awaitable));
  co_return first.index() == 0;
}

Error errorOf(const Json& json) {
  Error error;
  const ErrorCodeInfo* code = findErrorCode(json.value("code", ""));
  if (code != nullptr) error.code = code->code;
  error.what = json.value("what", "the overlay's helper failed");
  error.remedy = json.value("remedy", "");
  return error;
}

}  // namespace

sandbox::RoomPlan Overlays::helperPlan(const InstanceId& id, const Run& run, const InstanceId& helper,
                                       const std::string& verb) const {
  sandbox::RoomPlan plan;
  plan.id = helper;
  plan.command = {"/runtime/bin/agent-runner", "overlay", verb, "/overlay", std::to_string(run.trees.size()), id.str()};
  plan.workDir = "/";
  plan.hostName = "overlay";
  plan.limits.pids = kHelperPids;
  plan.launchRecord = dumpJson({{"helper", verb}, {"of", id.str()}});
  const std::string runtime = parts_.paths.runtime(), place = placeOf(id);
  plan.mounts.push_back({.source = runtime, .target = "/runtime", .idmapped = isOurs(runtime)});
  plan.mounts.push_back({.source = place + "/state", .target = "/overlay/state", .writable = true});
  for (std::size_t i = 0; i < run.trees.size(); ++i) {
    const std::string own = place + "/" + std::to_string(i), in = "/overlay/" + std::to_string(i);
    plan.mounts.push_back({.source = own + "/base", .target = in + "/base"});
    plan.mounts.push_back({.source = own + "/layers/upper", .target = in + "/upper"});
    plan.mounts.push_back({.source = run.trees[i].source, .target = in + "/live", .writable = verb == "commit"});
  }
  return plan;
}

asio::awaitable<Result<Json>> Overlays::help(InstanceId id, std::string verb) {
  const Run run = runs_.at(id);
  AGENTOS_CO_TRY(Fd instances, openDirectory(parts_.paths.instances()));
  AGENTOS_CO_TRY(auto name, AgentName::parse(agentOf(id)));
  AGENTOS_CO_TRY(const auto helper, takeInstanceId(instances.get(), name));
  AGENTOS_CO_TRY(Fd state, openBeneath(place_.get(), id.str() + "/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The one that an agentd before this may have left at work: two of them would commit against one another.
  if (auto before = readFile(state.get(), "helper", 256)) {
    if (auto old = InstanceId::parse(*before)) AGENTOS_CO_CHECK(co_await parts_.spawner.sweep(*old));
  }
  AGENTOS_CO_CHECK(replaceFile(state.get(), "helper", helper.str(), 0600));
  ::unlinkat(state.get(), "result.json", 0);
  auto room = co_await parts_.spawner.spawn(helperPlan(id, run, helper, verb));
  bool ended = false;
  if (room) ended = co_await ends(parts_.io, std::move(room->pidfd));
  auto swept = co_await parts_.spawner.sweep(helper);
  if (!swept) spdlog::warn("{}: {}", helper.str(), swept.error().message());
  if (swept) ::unlinkat(state.get(), "helper", 0);
  std::error_code ignored;  // what cannot be removed now is found as a leftover at the next start
  std::filesystem::remove_all(parts_.paths.instance(helper), ignored);
  auto log = readPath(parts_.paths.instanceLog(helper) + "/output.log", 4096);
  std::filesystem::remove_all(parts_.paths.instanceLog(helper), ignored);
  if (!room) co_return std::unexpected(std::move(room).error().within("the room of an overlay's helper"));
  if (!ended) co_return fail(ErrorCode::kTimedOut, "the overlay's helper took longer than 10 minutes", "fewer changes");
  auto answer = readFile(state.get(), "result.json", kMostAnswer);
  if (!answer) {
    co_return fail(ErrorCode::kUnavailable, "the overlay's helper left no answer: " + log.value_or("and no word"),
                   "try again; if it stays so, report it");
  }
  AGENTOS_CO_TRY(auto json, parseJson(*answer));
  if (json.contains("error")) co_return std::unexpected(errorOf(json["error"]));
  co_return json;
}

}  // namespace agentos::agentd
