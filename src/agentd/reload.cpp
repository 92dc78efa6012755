// SPDX-License-Identifier: Apache-2.0
#include "agentd/reload.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "agentd/config/changes.h"
#include "agentd/config/models.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

Json namesOf(const std::vector<AgentName>& agents) {
  Json list = Json::array();
  for (const auto& one : agents) list.push_back(one.str());
  return list;
}

}  // namespace

// Root's part first, since the spawner holds everything against it: both hold the file as it is now, or neither does.
asio::awaitable<Result<Json>> Reload::configuration() {
  if (!reread_) co_return Json(nullptr);
  AGENTOS_CO_TRY(const Config fresh, reread_());
  AGENTOS_CO_CHECK(co_await parts_.spawner.reloadPolicy());
  const auto changes = changesBetween(parts_.config, fresh);
  AGENTOS_CO_CHECK(apply(fresh));
  Json live = Json::array(), later = Json::array();
  for (const auto& one : changes) (one.live ? live : later).push_back(one.key);
  if (!later.empty()) spdlog::warn("configuration: {} needs a restart of agentd", later.dump());
  co_return Json{{"changed", live}, {"needs_restart", later}};
}

Result<void> Reload::apply(const Config& fresh) {
  Config next = withLiveChanges(parts_.config, fresh);
  const std::string files = modelFilesDigest(next);
  if (next.models != parts_.config.models || next.prices != parts_.config.prices || files != modelFiles_) {
    models::ModelRegistry models;
    AGENTOS_CHECK(openModels(next, parts_.io.get_executor(), models));
    parts_.models = std::move(models);  // calls in flight hold the drivers that they began with
    modelFiles_ = files;
  }
  parts_.config = std::move(next);
  spdlog::set_level(spdlog::level::from_str(parts_.config.logLevel));
  parts_.supervisor.changeSettings(parts_.settings());
  if (parts_.scheduler != nullptr)
    parts_.scheduler->changeLimits({static_cast<std::size_t>(parts_.config.concurrentCycles)});
  return {};
}

asio::awaitable<Result<Json>> Reload::run(std::string actor) {
  auto changed = co_await configuration();
  auto report = parts_.contracts.reload();
  for (const auto& line : report.problems) spdlog::warn("contract: {}", line);  // whole, and each on its own
  if (!changed) {
    const std::string problem = changed.error().message();
    spdlog::error("configuration: the old one stays in force: {}", problem);
    for (const auto line : split(problem, '\n')) report.problems.emplace_back(line);
  }
  Json json = {{"added", namesOf(report.added)},
               {"changed", namesOf(report.changed)},
               {"removed", namesOf(report.removed)},
               {"problems", report.problems}};
  if (!changed) {
    json["configuration"] = {{"changed", Json::array()}, {"needs_restart", Json::array()}, {"kept", true}};
  } else if (changed->is_object()) {
    json["configuration"] = *changed;
    json["configuration"]["kept"] = false;
  }
  parts_.say(actor, json);
  if (parts_.scheduler != nullptr) parts_.scheduler->applyContracts();
  if (parts_.config.startServices) parts_.startServices();
  co_return json;
}

}  // namespace agentos::agentd
