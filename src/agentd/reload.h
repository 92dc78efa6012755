// SPDX-License-Identifier: Apache-2.0
// Configuration and contracts, read again while agentd serves.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <utility>

#include "agentd/config/config.h"
#include "agentd/scheduler/contract_store.h"
#include "agentd/scheduler/scheduler.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/json.h"
#include "models/registry.h"
#include "sandbox/spawner.h"

namespace agentos::agentd {

class Reload {
 public:
  // Everything outlives the reload; `config` and `models` are what it changes.
  struct Parts {
    boost::asio::io_context& io;
    sandbox::Spawner& spawner;
    Config& config;
    models::ModelRegistry& models;
    ContractStore& contracts;
    SupervisorImpl& supervisor;
    Scheduler* scheduler;  // none without a company
    std::function<SupervisorSettings()> settings;
    std::function<void()> startServices;
    std::function<void(const std::string& actor, Json data)> say;
  };
  // `modelFiles`: the digest of what the models in force were read from.
  Reload(Parts parts, std::string modelFiles) : parts_(std::move(parts)), modelFiles_(std::move(modelFiles)) {}
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  using Reread = std::function<Result<Config>()>;
  void rereadWith(Reread reread) { reread_ = std::move(reread); }
  // The report as the API gives it. A configuration that is broken, in agentd's own part or in root's, changes nothing;
  // a broken contract keeps the one before it.
  boost::asio::awaitable<Result<Json>> run(std::string actor);

 private:
  boost::asio::awaitable<Result<Json>> configuration();
  Result<void> apply(const Config& fresh);

  Parts parts_;
  Reread reread_;
  std::string modelFiles_;
};

}  // namespace agentos::agentd
