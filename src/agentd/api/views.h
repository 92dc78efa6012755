// SPDX-License-Identifier: Apache-2.0
// The JSON of what the API shows. docs/openapi.json has the schemas; names are stable.
#pragma once

#include "agentd/scheduler/scheduler.h"
#include "agentd/supervisor/supervisor.h"
#include "base/json.h"
#include "company/messages.h"
#include "company/task.h"
#include "models/ledger.h"
#include "models/registry.h"

namespace agentos::agentd {

Json viewOf(const InstanceView& instance);
Json viewOf(const company::Task& task, bool withBody);
Json viewOf(const company::Handoff& handoff);
Json viewOf(const company::Message& message);
Json viewOf(const AgentSchedule& schedule);
Json viewOf(const StoredContract& stored);
Json viewOf(const models::ModelSpec& model);
Json viewOf(const models::CapLeft& cap);

Json timeOrNull(const std::optional<Timestamp>& time);
Json textOrNull(const std::string& text);  // null when empty

Result<company::Handoff> handoffOf(const Json& object);  // of a member "handoff", all parts optional
std::optional<company::Priority> findPriority(std::string_view word);

std::string_view nameOf(contract::RunMode mode);
std::string_view nameOf(contract::LatencyClass latency);
std::string_view nameOf(contract::Binding binding);

}  // namespace agentos::agentd
