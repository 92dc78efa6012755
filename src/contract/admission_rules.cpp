// SPDX-License-Identifier: Apache-2.0
#include "contract/admission_rules.h"

#include <algorithm>
#include <array>

namespace agentos::contract {
namespace {

constexpr AdmissionRule label(std::string_view path) { return {path, RuleKind::kLabel, {}, std::nullopt, {}, {}}; }
constexpr AdmissionRule given(std::string_view path, std::string_view by) {
  return {path, RuleKind::kGiven, by, std::nullopt, {}, {}};
}
constexpr AdmissionRule judged(std::string_view path) { return {path, RuleKind::kJudged, {}, std::nullopt, {}, {}}; }
constexpr AdmissionRule needs(std::string_view path, Feature feature, std::string_view by, std::string_view substitute,
                              std::string_view remedy) {
  return {path, RuleKind::kFeature, by, feature, substitute, remedy};
}
// A demand that protects somebody: nothing takes its place.
constexpr std::string_view kNothing;

constexpr std::array kRules = {
    label("apiVersion"),
    label("kind"),
    label("name"),
    label("version"),
    label("owner"),
    label("binding"),
    judged("class.latency"),
    judged("class.slo.onset_ms"),
    needs("class.slo.turn_ms", Feature::kSloWatch, "measured", "it is not measured", "remove class.slo"),
    judged("class.slo.jitter_p95_pct"),
    judged("class.slo.runtime_us"),
    judged("class.slo.deadline_us"),
    judged("class.slo.period_us"),
    judged("capabilities"),
    judged("compute.cpu"),
    judged("compute.mem"),
    judged("compute.mem_high"),
    judged("compute.cpu_weight"),
    needs("compute.gpu_mem", Feature::kGpu, "the GPU", "no GPU",
          "a machine with a GPU and an agentd that shares it, or remove compute.gpu_mem"),
    judged("compute.pids"),
    judged("compute.io_weight"),
    judged("compute.io_max.read"),
    judged("compute.io_max.write"),
    judged("compute.io_max.read_ops"),
    judged("compute.io_max.write_ops"),
    judged("compute.disk"),
    judged("compute.swap"),
    judged("modelPolicy.allow"),
    needs("modelPolicy.max_context_tokens", Feature::kContextLimit, "the gateway", "the model's own limit",
          "remove modelPolicy.max_context_tokens"),
    judged("modelPolicy.placement"),
    needs("memory.namespace", Feature::kRetrieval, "long-term memory", "no long-term memory",
          "remove memory.namespace"),
    needs("memory.retention_days", Feature::kRetention, "the retention job",
          "no long-term memory, so nothing to remove", "remove memory.retention_days"),
    needs("memory.rag.top_k", Feature::kRetrieval, "retrieval", "no retrieval", "remove memory.rag"),
    needs("memory.rag.require_grounding", Feature::kRetrieval, "retrieval", kNothing,
          "remove memory.rag.require_grounding"),
    given("memory.working_tokens", "the context"),
    given("memory.soul_tokens", "the context"),
    judged("security.consent_for"),
    needs("security.data_scopes", Feature::kDataScopes, "the company view", kNothing, "remove security.data_scopes"),
    needs("security.nested_userns", Feature::kNestedUserns, "the room", "no user namespaces inside",
          "root's policy, or remove security.nested_userns"),
    needs("observability.tracing", Feature::kTracing, "OpenTelemetry", "no traces", "observability.tracing: none"),
    needs("observability.log_fields", Feature::kLogFields, "the log", "the usual fields",
          "remove observability.log_fields"),
    given("run.mode", "the supervisor"),
    given("run.command", "the room"),
    given("run.env", "the room"),
    judged("run.secrets"),
    given("run.timeout", "the supervisor"),
    given("run.no_progress", "the supervisor"),
    given("run.verdict", "the supervisor"),
    given("run.stop.signal", "agent-init"),
    given("run.stop.grace", "the supervisor"),
    given("schedule.every", "the scheduler"),
    given("schedule.cron", "the scheduler"),
    judged("schedule.on"),
    given("schedule.hours", "the scheduler"),
    given("schedule.jitter", "the scheduler"),
    given("schedule.catch_up", "the scheduler"),
    given("restart.policy", "the supervisor"),
    given("restart.backoff", "the supervisor"),
    given("restart.max", "the supervisor"),
    given("restart.within", "the supervisor"),
    needs("health.heartbeat", Feature::kHeartbeat, "the supervisor", "run.timeout alone", "remove health.heartbeat"),
    given("health.misses", "the supervisor"),
    needs("health.exec", Feature::kHealthProbes, "the supervisor", "run.timeout alone", "remove health.exec"),
    needs("health.http", Feature::kHealthProbes, "the supervisor", "run.timeout alone", "remove health.http"),
    judged("workspace.scratch"),
    judged("workspace.mounts"),
    needs("workspace.encrypted", Feature::kEncryptedScratch, "a file system of this run, encrypted (fscrypt)", kNothing,
          "remove workspace.encrypted"),
    needs("network.egress", Feature::kEgressProxy, "the egress proxy", "no way out", "remove network.egress"),
    needs("network.unrestricted", Feature::kOpenNetwork, "the egress proxy, to every public address", "no way out",
          "remove network.unrestricted"),
    needs("network.max_bytes", Feature::kEgressProxy, "the egress proxy", "no way out", "remove network.max_bytes"),
    needs("network.rate", Feature::kEgressProxy, "the egress proxy", "no way out", "remove network.rate"),
    label("network.reason"),
    label("network.dns"),  // names are resolved by the egress proxy or not at all
    given("budget.per_run_usd", "the ledger"),
    given("budget.per_day_usd", "the ledger"),
    given("budget.per_week_usd", "the ledger"),
    given("budget.per_month_usd", "the ledger"),
    given("budget.max_turns", "the gateway"),
    given("budget.tokens_per_run", "the gateway"),
    given("identity.soul", "the context"),
    given("identity.drives", "the context"),
    label("identity.role"),
    needs("supervise.parent", Feature::kSupervisionTree, "the supervision tree", "it is restarted alone",
          "remove supervise"),
    label("supervise.strategy"),  // counts with a parent only
    needs("review.required", Feature::kReview, "the review", kNothing, "remove review"),
    needs("review.by", Feature::kReview, "the review", kNothing, "remove review"),
    needs("review.checks", Feature::kReview, "the review", kNothing, "remove review"),
    needs("spawn.allow", Feature::kChildren, "the supervisor", "no children", "remove spawn"),
    label("spawn.max_children"),  // counts with spawn.allow only
    needs("reserved", Feature::kReservedDecisions, "decisions by people", kNothing, "remove reserved"),
};

}  // namespace

const AdmissionRule* findRule(std::string_view path) {
  const auto found = std::ranges::find(kRules, path, &AdmissionRule::path);
  return found == kRules.end() ? nullptr : &*found;
}

}  // namespace agentos::contract
