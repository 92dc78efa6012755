// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/views.h"

#include "agentd/http/message.h"
#include "base/clock.h"

namespace agentos::agentd {
namespace {

Json viewOf(const sandbox::ExitRecord& exit) {
  Json view{{"exec_failed", exit.execFailed},      {"ran_ns", exit.ranNs},           {"cpu_usec", exit.cpuUsec},
            {"memory_peak", exit.memoryPeak},      {"oom_kills", exit.oomKills},     {"core_dumped", exit.coreDumped},
            {"detail", textOrNull(exit.detail)},   {"memory_high", exit.memoryHigh}, {"pids_refused", exit.pidsRefused},
            {"throttled_usec", exit.throttledUsec}};
  if (exit.code) view["code"] = *exit.code;
  if (exit.signal) view["signal"] = *exit.signal;
  return view;
}

Json idsOf(const std::vector<TaskId>& ids) {
  Json list = Json::array();
  for (const TaskId& id : ids) list.push_back(id.str());
  return list;
}

}  // namespace

Json timeOrNull(const std::optional<Timestamp>& time) { return time ? Json(formatUtc(*time)) : Json(nullptr); }

Json textOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json viewOf(const InstanceView& instance) {
  const auto& enforcement = instance.enforcement;
  return {{"id", instance.id.str()},
          {"agent", instance.agent.str()},
          {"state", instance.preempted && instance.state == State::kPaused ? "preempted" : nameOf(instance.state)},
          {"mode", instance.mode},
          {"class", instance.latency},
          {"contract_digest", instance.contractDigest},
          {"source", instance.source},
          {"task", textOrNull(instance.task)},
          {"trace", textOrNull(instance.trace)},
          {"reason", textOrNull(instance.reason)},
          {"created", formatUtc(instance.created)},
          {"started", timeOrNull(instance.started)},
          {"ended", timeOrNull(instance.ended)},
          {"restarts", instance.restarts},
          {"cost_micro_usd", instance.cost.count},
          {"model_calls", instance.modelCalls},
          {"turns", instance.turns},
          {"adopted", instance.adopted},
          {"ready", instance.ready},
          {"health", instance.health},
          {"misses", instance.misses},
          {"last_heard", timeOrNull(instance.lastHeard)},
          {"pid", instance.process.pid > 0 ? Json(instance.process.pid) : Json(nullptr)},
          {"exit", instance.exit ? viewOf(*instance.exit) : Json(nullptr)},
          {"limits_met", instance.limitsMet},
          {"enforcement",
           {{"enforced", enforcement.enforced},
            {"substituted", enforcement.substituted},
            {"missing", enforcement.missing}}}};
}

Json viewOf(const company::Handoff& handoff) {
  return {{"attempted", handoff.attempted},
          {"changed", handoff.changed},
          {"remains", handoff.remains},
          {"failed", handoff.failed},
          {"next", handoff.next}};
}

Json viewOf(const company::Task& task, bool withBody) {
  Json view{{"id", task.id.str()},
            {"status", company::directoryOf(task.status)},
            {"title", task.title},
            {"created_by", task.createdBy},
            {"assigned_to", textOrNull(task.assignedTo)},
            {"product", textOrNull(task.product)},
            {"tags", task.tags},
            {"priority", company::nameOf(task.priority)},
            {"depends_on", idsOf(task.dependsOn)},
            {"created", formatUtc(task.created)},
            {"not_before", timeOrNull(task.notBefore)},
            {"deadline", timeOrNull(task.deadline)},
            {"attempts", task.attempts},
            {"attempt", task.attempt},
            {"epoch", task.epoch},
            {"claimed_by", textOrNull(task.claimedBy)},
            {"outcome", textOrNull(task.outcome)},
            {"verify", task.verify},
            {"artifacts", task.artifacts},
            {"promotable", task.promotable},
            {"idempotency_key", textOrNull(task.idempotencyKey)},
            {"handoff", task.handoff ? viewOf(*task.handoff) : Json(nullptr)}};
  if (withBody) view["body"] = task.body;
  return view;
}

Json viewOf(const company::Message& message) {
  return {{"id", message.id.str()},          {"from", message.from},    {"to", message.to},
          {"subject", message.subject},      {"body", message.body},    {"task", textOrNull(message.task)},
          {"sent", formatUtc(message.sent)}, {"urgent", message.urgent}};
}

Json viewOf(const AgentSchedule& schedule) {
  return {{"agent", schedule.agent.str()},
          {"state", schedule.state},
          {"detail", textOrNull(schedule.detail)},
          {"next_due", timeOrNull(schedule.nextDue)},
          {"last_started", timeOrNull(schedule.lastStarted)},
          {"on_task", schedule.onTask},
          {"held", schedule.held},
          {"waiting", schedule.waiting},
          {"running", schedule.running ? Json(schedule.running->str()) : Json(nullptr)}};
}

Json viewOf(const StoredContract& stored) {
  const contract::Contract& contract = *stored.contract;
  return {{"name", contract.name.str()},         {"digest", contract.digest},
          {"version", contract.version},         {"owner", textOrNull(contract.owner)},
          {"mode", nameOf(contract.run.mode)},   {"class", nameOf(contract.latency)},
          {"binding", nameOf(contract.binding)}, {"source", stored.path},
          {"from_company", stored.fromCompany},  {"problems", stored.problems}};
}

Json viewOf(const models::ModelSpec& model) {
  return {{"name", model.name},
          {"upstream", textOrNull(model.upstream)},
          {"max_output_tokens", model.maxOutputTokens},
          {"price_micro_usd_per_million",
           {{"input", model.price.inputPerMillion.count},
            {"output", model.price.outputPerMillion.count},
            {"cached_input", model.price.cachedInputPerMillion.count}}}};
}

Json viewOf(const models::CapLeft& cap) {
  return {{"name", cap.name},
          {"cap", cap.cap.count},
          {"used", cap.used.count},
          {"reserved", cap.reserved.count},
          {"left", cap.left().count}};
}

Result<company::Handoff> handoffOf(const Json& object) {
  company::Handoff handoff;
  auto found = object.find("handoff");
  if (found == object.end() || found->is_null()) return handoff;
  if (!found->is_object())
    return fail(ErrorCode::kInvalidArgument, "\"handoff\" is no object",
                "give {\"attempted\":…,\"changed\":…,\"remains\":…,\"failed\":…,\"next\":…}");
  AGENTOS_CHECK(http::refuseUnknown(*found, {"attempted", "changed", "remains", "failed", "next"}));
  AGENTOS_TRY(handoff.attempted, http::stringOf(*found, "attempted"));
  AGENTOS_TRY(handoff.changed, http::stringOf(*found, "changed"));
  AGENTOS_TRY(handoff.remains, http::stringOf(*found, "remains"));
  AGENTOS_TRY(handoff.failed, http::stringOf(*found, "failed"));
  AGENTOS_TRY(handoff.next, http::stringOf(*found, "next"));
  return handoff;
}

std::optional<company::Priority> findPriority(std::string_view word) {
  for (auto priority :
       {company::Priority::kCritical, company::Priority::kHigh, company::Priority::kMedium, company::Priority::kLow}) {
    if (company::nameOf(priority) == word) return priority;
  }
  return std::nullopt;
}

std::string_view nameOf(contract::RunMode mode) {
  switch (mode) {
    case contract::RunMode::kService:
      return "service";
    case contract::RunMode::kJob:
      return "job";
    case contract::RunMode::kCycle:
      break;
  }
  return "cycle";
}

std::string_view nameOf(contract::LatencyClass latency) {
  switch (latency) {
    case contract::LatencyClass::kHrt:
      return "HRT";
    case contract::LatencyClass::kSrt:
      return "SRT";
    case contract::LatencyClass::kDt:
      break;
  }
  return "DT";
}

std::string_view nameOf(contract::Binding binding) {
  switch (binding) {
    case contract::Binding::kSmooth:
      return "smooth";
    case contract::Binding::kFlexible:
      return "flexible";
    case contract::Binding::kStrict:
      break;
  }
  return "strict";
}

}  // namespace agentos::agentd
