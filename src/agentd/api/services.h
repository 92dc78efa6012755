// SPDX-License-Identifier: Apache-2.0
// What the HTTP API works on: the daemon's parts, by reference, and a few questions as functions. The composition root
// fills it; everything named here outlives the ApiServer. All of it is used on the loop's thread, except where `pool`
// is said.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/events.h"
#include "agentd/scheduler/contract_store.h"
#include "agentd/scheduler/scheduler.h"
#include "agentd/supervisor/dead_table.h"
#include "agentd/supervisor/supervisor.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task_queue.h"
#include "models/ledger.h"
#include "models/registry.h"

namespace agentos::agentd {

// The scheduler, as the API needs it (controlOf in services.cpp makes one of a Scheduler).
struct CycleControl {
  std::function<std::vector<AgentSchedule>()> schedule;
  std::function<boost::asio::awaitable<Result<CycleStart>>(AgentName, std::string actor)> run;
  std::function<Result<void>(const AgentName&, const std::string& actor)> hold, release;
};
CycleControl controlOf(Scheduler& scheduler);

// The changes that runs made in overlays, as the API needs them.
struct ChangeControl {
  std::function<boost::asio::awaitable<Result<Json>>(InstanceId)> show;
  std::function<boost::asio::awaitable<Result<Json>>(InstanceId, std::string actor)> commit;
  std::function<Result<void>(const InstanceId&, const std::string& actor)> discard;
  std::function<std::optional<InstanceId>(const TaskId&)> heldFor;  // whose changes wait for this task's acceptance
};

// What holds agents back, as the API needs it.
struct SupervisionControl {
  std::function<Result<Json>(const std::string& name)> explain;
  std::function<boost::asio::awaitable<Result<Json>>(bool kill, std::string reason, std::string actor)> halt;
  std::function<boost::asio::awaitable<Result<Json>>(std::string actor)> unhalt;
  std::function<Result<std::vector<DeadLetter>>()> dead;
  std::function<Result<void>(const InstanceId&, const std::string& actor)> dropDead;
  std::function<boost::asio::awaitable<Result<InstanceId>>(InstanceId, std::string actor)> retryDead;
};

// Who may do what. Root and `adminUids` (agentd's own user in a private --prefix instance) and members of `adminGroup`
// may all; members of `workGroup` may look and work the queue; nobody else may anything but ask for its health.
struct RoleConfig {
  std::optional<gid_t> adminGroup, workGroup;
  std::string adminGroupName = "agentd-admin", workGroupName = "agentd";
  std::set<uid_t> adminUids;
};

inline constexpr std::string_view kStarting = "starting";

struct ApiServices {
  boost::asio::io_context& io;
  boost::asio::thread_pool& pool;  // for files that may be long: audit, logs
  const Clock& clock;
  Database& db;  // answers by Idempotency-Key
  Events& events;
  Supervisor& supervisor;
  ContractStore& contracts;
  models::Ledger& ledger;
  const models::ModelRegistry& models;
  company::Company* company = nullptr;  // all three absent: agentd runs without a company
  company::TaskQueue* queue = nullptr;
  std::optional<CycleControl> cycles;

  std::string logDirectory;    // <prefix>/var/log/agentd: one folder an instance
  std::string stateDirectory;  // <prefix>/var/lib/agentd: instances/<id>/launch.jsonl, exit.json
  std::string anchorPath;      // the spawner's anchors of the audit head; empty: none
  std::string version;
  RoleConfig roles;
  std::string bearerToken;  // of the TCP listener; empty: no TCP caller is let in

  // POST /v1/contracts/explain: the admission table of a spawn that is not made.
  std::function<Json(const SpawnRequest&)> explain{};
  // GET /v1/system: platform, limits, paths, counts; anything a person wants to know about this daemon.
  std::function<Json()> systemInfo;
  // POST /v1/system/reload: contracts and configuration again; the report as JSON
  // ({"added":[],"changed":[],"removed":[],"problems":[],"configuration":{"changed":[],"needs_restart":[],"kept":false}}).
  std::function<boost::asio::awaitable<Result<Json>>(std::string actor)> reload;
  // GET /readyz: empty when ready, else why not; kStarting until recovery is done.
  std::function<std::string()> notReady;
  std::optional<ChangeControl> overlays{};  // absent: none are kept
  // What left a run's room: egress::Proxy::view.
  std::function<Json(const InstanceId&)> egress{};
  std::optional<SupervisionControl> supervision{};
};

}  // namespace agentos::agentd
