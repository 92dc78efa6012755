// SPDX-License-Identifier: Apache-2.0
// The table itself. `key(path, shape, doc, member)` binds a field to a member of Contract by the member's type; the few
// that are not one member each say how.
#include <chrono>

#include "base/host_name.h"
#include "contract/bind.h"
#include "contract/real_time.h"
#include "contract/schema.h"

namespace agentos::contract {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMiB = 1LL << 20;
constexpr std::int64_t kMaxSize = 1LL << 50;
// Less than this a second, and a program does not even start within a minute.
constexpr std::int64_t kLeastIo = 64LL << 10, kLeastOps = 10, kMostOps = 1'000'000'000;
constexpr std::int64_t kUsd = 1'000'000;
constexpr std::int64_t kMaxTokens = 100'000'000;

Shape text(const TextRule& rule) { return {Kind::kText, 0, 0, &rule, {}}; }
Shape texts(const TextRule& rule) { return {Kind::kTexts, 0, kMaxListItems, &rule, {}}; }
Shape arguments() { return {Kind::kArguments, 0, kMaxListItems, nullptr, {}}; }
Shape integer(std::int64_t min, std::int64_t max) { return {Kind::kInteger, min, max, nullptr, {}}; }
Shape boolean() { return {Kind::kBoolean, 0, 0, nullptr, {}}; }
Shape size(std::int64_t min = kMiB) { return {Kind::kSize, min, kMaxSize, nullptr, {}}; }
Shape money() { return {Kind::kMoney, 0, 1'000'000'000 * kUsd, nullptr, {}}; }
Shape duration(Nanoseconds min, Nanoseconds max) { return {Kind::kDuration, min.count(), max.count(), nullptr, {}}; }
Shape only(std::vector<std::string_view> words) { return {Kind::kWord, 0, 0, nullptr, std::move(words)}; }

template <class Enum>
Shape word(Kind kind = Kind::kWord) {
  Shape shape{kind, 0, kMaxListItems, nullptr, {}};
  for (const auto& entry : wordsOf<Enum>()) shape.words.push_back(entry.text);
  return shape;
}

Field map(std::string_view path, std::string_view doc) { return {path, {}, doc, false, nullptr, nullptr}; }

// `Member` is a captureless lambda from a Contract to one of its members.
template <class Member>
Field key(std::string_view path, Shape shape, std::string_view doc, Member) {
  return {path,
          std::move(shape),
          doc,
          false,
          [](Contract& contract, const YamlNode& node) { bind::assign(Member{}(contract), node); },
          [](const Contract& contract) { return bind::show(Member{}(contract)); }};
}

Field required(Field field) {
  field.required = true;
  return field;
}

Field constant(std::string_view path, std::string_view value, std::string_view doc, Json (*get)(const Contract&)) {
  return {path, only({value}), doc, true, [](Contract&, const YamlNode&) {}, get};
}

Shape signalShape() {
  Shape shape = only({});
  for (const auto& entry : signalWords()) shape.words.push_back(entry.text);
  return shape;
}
void setSignal(Contract& contract, const YamlNode& node) {
  for (const auto& entry : signalWords()) {
    if (entry.text == node.scalar) contract.run.stop.signal = entry.value;
  }
}
Json getSignal(const Contract& contract) {
  for (const auto& entry : signalWords()) {
    if (entry.value == contract.run.stop.signal) return std::string(entry.text);
  }
  return Json();
}

int minutesOf(std::string_view text) {
  return std::stoi(std::string(text.substr(0, 2))) * 60 + std::stoi(std::string(text.substr(3, 2)));
}
std::string showMinutes(int minutes) {
  auto two = [](int value) { return std::to_string(100 + value).substr(1); };
  return two(minutes / 60) + ":" + two(minutes % 60);
}
void setHours(Contract& contract, const YamlNode& node) {
  const std::string_view span = node.scalar;
  contract.schedule.hours = Hours{minutesOf(span), minutesOf(span.substr(6))};
}
Json getHours(const Contract& contract) {
  const auto& hours = contract.schedule.hours;
  return hours ? Json(showMinutes(hours->from) + "-" + showMinutes(hours->to)) : Json();
}

void setBackoff(Contract& contract, const YamlNode& node) {
  const std::string_view range = node.scalar;
  const auto dots = range.find("..");
  contract.restart.backoffMin = parseDuration(range.substr(0, dots)).value_or(1s);
  contract.restart.backoffMax = parseDuration(range.substr(dots + 2)).value_or(60s);
}
Json getBackoff(const Contract& contract) {
  return formatDuration(contract.restart.backoffMin) + ".." + formatDuration(contract.restart.backoffMax);
}

void addMount(Contract& contract, const YamlNode&) { contract.workspace.mounts.emplace_back(); }
Json getMounts(const Contract& contract) {
  Json mounts = Json::array();
  for (const WorkspaceMount& mount : contract.workspace.mounts) {
    mounts.push_back({{"source", mount.source}, {"target", mount.target}, {"mode", bind::show(mount.mode)}});
  }
  return mounts;
}
WorkspaceMount& lastMount(Contract& contract) { return contract.workspace.mounts.back(); }
const WorkspaceMount& lastMount(const Contract& contract) {
  static const WorkspaceMount kDefault;
  return contract.workspace.mounts.empty() ? kDefault : contract.workspace.mounts.back();
}

// "host:port" is what the map would say.
void addEgress(Contract& contract, const YamlNode& node) {
  EgressRule& rule = contract.network.egress.emplace_back();
  if (node.kind != YamlNode::Kind::kScalar) return;
  const auto colon = node.scalar.rfind(':');
  std::string_view host = std::string_view(node.scalar).substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  rule.host = host;
  rule.port = std::stoi(node.scalar.substr(colon + 1));
}
Json getEgress(const Contract& contract) {
  Json list = Json::array();
  for (const EgressRule& rule : contract.network.egress) {
    Json one = {{"host", rule.host}, {"port", rule.port}};
    if (!rule.methods.empty()) one["methods"] = rule.methods;
    if (!rule.paths.empty()) one["paths"] = rule.paths;
    if (!rule.addresses.empty()) one["addresses"] = rule.addresses;
    if (!rule.tls) one["tunnel"] = "any";
    if (rule.maxBytes) one["max_bytes"] = bind::show(*rule.maxBytes);
    list.push_back(one.size() == 2 ? Json(textOf(rule)) : std::move(one));
  }
  return list;
}
EgressRule& lastEgress(Contract& contract) { return contract.network.egress.back(); }
const EgressRule& lastEgress(const Contract& contract) {
  static const EgressRule kDefault;
  return contract.network.egress.empty() ? kDefault : contract.network.egress.back();
}

std::vector<Field> identityFields() {
  return {
      constant("apiVersion", "agentos/v0.2", "The form of this file.",
               [](const Contract& c) { return Json(c.apiVersion); }),
      constant("kind", "AgentContract", "What this file is.", [](const Contract&) { return Json("AgentContract"); }),
      required(key("name", text(kAgentNameRule), "The agent's name, by which everything else calls it.",
                   [](auto& c) -> auto& { return c.name; })),
      key("version", integer(1, 1'000'000'000), "The agent's own version.", [](auto& c) -> auto& { return c.version; }),
      key("owner", text(kLineRule), "Who answers for the agent.", [](auto& c) -> auto& { return c.owner; }),
      key("binding", word<Binding>(),
          "What an unmet demand does: strict refuses the spawn; smooth takes a compatible newer model or tool as a "
          "canary; flexible substitutes inside root's policy and says so.",
          [](auto& c) -> auto& { return c.binding; }),
      map("class", "How soon the agent must act."),
      key("class.latency", word<LatencyClass>(),
          "HRT: hard real time, for programs only; SRT: soft real time, ahead of others; DT: delay-tolerant.",
          [](auto& c) -> auto& { return c.latency; }),
      map("class.slo", "What its latency is measured against."),
      key("class.slo.onset_ms", integer(1, 86'400'000), "Milliseconds to the first token or action.",
          [](auto& c) -> auto& { return c.slo.onsetMs; }),
      key("class.slo.turn_ms", integer(1, 86'400'000), "Milliseconds to the end of a turn.",
          [](auto& c) -> auto& { return c.slo.turnMs; }),
      key("class.slo.jitter_p95_pct", integer(0, 1000), "Jitter at the 95th percentile, in percent.",
          [](auto& c) -> auto& { return c.slo.jitterP95Pct; }),
      key("class.slo.runtime_us", integer(kLeastRuntimeUs, kMostPeriodUs),
          "HRT: microseconds of processor time reserved in each period; a tenth of it where nothing is said.",
          [](auto& c) -> auto& { return c.slo.runtimeUs; }),
      key("class.slo.deadline_us", integer(kLeastRuntimeUs, kMostPeriodUs),
          "HRT: microseconds from a period's begin by which the runtime is given; else jitter_p95_pct of the period.",
          [](auto& c) -> auto& { return c.slo.deadlineUs; }),
      key("class.slo.period_us", integer(kLeastPeriodUs, kMostPeriodUs),
          "HRT: microseconds of a period; else onset_ms, else 100000.",
          [](auto& c) -> auto& { return c.slo.periodUs; }),
      key("capabilities", texts(kToolRule), "The tools that may be called; nothing else can be.",
          [](auto& c) -> auto& { return c.capabilities; }),
  };
}

std::vector<Field> resourceFields() {
  return {
      map("compute", "Limits on what the agent uses."),
      key("compute.cpu", Shape{Kind::kCpu, 1, 1'024'000, nullptr, {}}, "Cores (cpu.max).",
          [](auto& c) -> auto& { return c.compute.cpu; }),
      key("compute.mem", size(), "Memory (memory.max).", [](auto& c) -> auto& { return c.compute.mem; }),
      key("compute.mem_high", size(), "Memory beyond which it is slowed down and reclaimed from (memory.high).",
          [](auto& c) -> auto& { return c.compute.memHigh; }),
      key("compute.cpu_weight", integer(1, 10'000),
          "Share of busy processors (cpu.weight); without it by class.latency: HRT 400, SRT 200, DT 50.",
          [](auto& c) -> auto& { return c.compute.cpuWeight; }),
      key("compute.gpu_mem", size(), "Memory of a GPU.", [](auto& c) -> auto& { return c.compute.gpuMem; }),
      {"compute.pids", integer(1, 4'194'304), "Processes and threads at once (pids.max).", false,
       [](Contract& c, const YamlNode& node) { bind::assign(c.compute.pids, node); },
       [](const Contract& c) { return Json(c.compute.pids.value_or(kWishedPids)); }},
      {"compute.io_weight", integer(1, 10'000), "Share of the disk's time (io.weight).", false,
       [](Contract& c, const YamlNode& node) { bind::assign(c.compute.ioWeight, node); },
       [](const Contract& c) { return Json(c.compute.ioWeight.value_or(kWishedIoWeight)); }},
      map("compute.io_max", "Most that it may ask of the disks of its files, in a second (io.max)."),
      key("compute.io_max.read", size(kLeastIo), "Bytes read.", [](auto& c) -> auto& { return c.compute.ioMax.read; }),
      key("compute.io_max.write", size(kLeastIo), "Bytes written.",
          [](auto& c) -> auto& { return c.compute.ioMax.write; }),
      key("compute.io_max.read_ops", integer(kLeastOps, kMostOps), "Reads.",
          [](auto& c) -> auto& { return c.compute.ioMax.readOps; }),
      key("compute.io_max.write_ops", integer(kLeastOps, kMostOps), "Writes.",
          [](auto& c) -> auto& { return c.compute.ioMax.writeOps; }),
      key("compute.disk", size(), "Disk space in all that the agent writes.",
          [](auto& c) -> auto& { return c.compute.disk; }),
      key("compute.swap", size(0), "Swap (memory.swap.max); 0 for none.",
          [](auto& c) -> auto& { return c.compute.swap; }),
      map("modelPolicy", "Which models the agent may call."),
      key("modelPolicy.allow", texts(kModelRule),
          "Patterns of models, in the order of preference; the first that can serve is used. None: no model.",
          [](auto& c) -> auto& { return c.modelPolicy.allow; }),
      key("modelPolicy.max_context_tokens", integer(1, kMaxTokens), "Tokens in one request.",
          [](auto& c) -> auto& { return c.modelPolicy.maxContextTokens; }),
      key("modelPolicy.placement", texts(kLabelRule), "Where a model may run, such as on-prem, edge or cloud.",
          [](auto& c) -> auto& { return c.modelPolicy.placement; }),
      map("memory", "What the agent remembers."),
      key("memory.namespace", text(kLabelRule), "The namespace of its long-term memory.",
          [](auto& c) -> auto& { return c.memory.nameSpace; }),
      key("memory.retention_days", integer(1, 36'500), "Days after which memories are removed.",
          [](auto& c) -> auto& { return c.memory.retentionDays; }),
      map("memory.rag", "Retrieval."),
      key("memory.rag.top_k", integer(1, 1000), "Passages given for a question.",
          [](auto& c) -> auto& { return c.memory.ragTopK; }),
      key("memory.rag.require_grounding", boolean(), "An answer must name its passages.",
          [](auto& c) -> auto& { return c.memory.ragRequireGrounding; }),
      key("memory.working_tokens", integer(0, kMaxTokens), "Tokens of working memory in a context.",
          [](auto& c) -> auto& { return c.memory.workingTokens; }),
      key("memory.soul_tokens", integer(0, kMaxTokens), "Tokens of the soul in a context.",
          [](auto& c) -> auto& { return c.memory.soulTokens; }),
  };
}

std::vector<Field> guardFields() {
  return {
      map("security", "What is kept from the agent."),
      key("security.consent_for", texts(kToolRule), "Tools for which a person says yes first.",
          [](auto& c) -> auto& { return c.security.consentFor; }),
      key("security.data_scopes", texts(kLabelRule), "Labels of company paths and memory that it may read.",
          [](auto& c) -> auto& { return c.security.dataScopes; }),
      key("security.nested_userns", boolean(),
          "The agent may make user namespaces of its own, for a sandbox that it brings.",
          [](auto& c) -> auto& { return c.security.nestedUserns; }),
      map("observability", "What is recorded beyond the audit log."),
      key("observability.tracing", only({"none", "opentelemetry"}), "Traces of its calls.",
          [](auto& c) -> auto& { return c.observability.tracing; }),
      key("observability.log_fields", texts(kLabelRule), "Fields that its log lines carry.",
          [](auto& c) -> auto& { return c.observability.logFields; }),
  };
}

std::vector<Field> runFields() {
  return {
      map("run", "The program. Absent: agent-runner serves the contract with the model and the tools above."),
      key("run.mode", word<RunMode>(), "cycle: scheduled, and exits; service: stays up; job: runs once.",
          [](auto& c) -> auto& { return c.run.mode; }),
      key("run.command", arguments(), "The program's absolute path in the room, and its arguments.",
          [](auto& c) -> auto& { return c.run.command; }),
      key("run.env", Shape{Kind::kEnvironment, 0, kMaxListItems, nullptr, {}},
          "Environment variables. Never secrets: they would lie in this file.",
          [](auto& c) -> auto& { return c.run.env; }),
      key("run.secrets", texts(kSecretRule), "Names of systemd credentials, given as files under /run/secrets.",
          [](auto& c) -> auto& { return c.run.secrets; }),
      key("run.timeout", duration(1s, 720h), "How long a run may last.",
          [](auto& c) -> auto& { return c.run.timeout; }),
      key("run.no_progress", duration(1s, 720h),
          "A run that calls no model, sends nothing and prints nothing for so long is ended as hung.",
          [](auto& c) -> auto& { return c.run.noProgress; }),
      key("run.verdict", word<Verdict>(),
          "Who says how a run went: its exit status (the default with a command), or its word on /self/task.",
          [](auto& c) -> auto& { return c.run.verdict; }),
      map("run.stop", "How a run is asked to end."),
      {"run.stop.signal", signalShape(), "The first signal.", false, setSignal, getSignal},
      key("run.stop.grace", duration(0s, 1h), "From the first signal to SIGKILL.",
          [](auto& c) -> auto& { return c.run.stop.grace; }),
      map("schedule", "What makes a cycle due; any of these does."),
      key("schedule.every", duration(1s, 8784h), "An interval.", [](auto& c) -> auto& { return c.schedule.every; }),
      key("schedule.cron", text(kCronRule), "crontab(5), in local time, right across daylight saving.",
          [](auto& c) -> auto& { return c.schedule.cron; }),
      key("schedule.on", word<WakeOn>(Kind::kWords), "Work that wakes the agent at once.",
          [](auto& c) -> auto& { return c.schedule.on; }),
      {"schedule.hours", text(kHoursRule), "When cycles may begin, in local time.", false, setHours, getHours},
      key("schedule.jitter", duration(0s, 24h),
          "A random delay of at most this, so that agents do not all begin at once.",
          [](auto& c) -> auto& { return c.schedule.jitter; }),
      key("schedule.catch_up", word<CatchUp>(), "What a time gets that was missed while the machine was off.",
          [](auto& c) -> auto& { return c.schedule.catchUp; }),
      map("restart", "What happens after a failure of a service."),
      key("restart.policy", word<RestartPolicy>(), "When it is started again.",
          [](auto& c) -> auto& { return c.restart.policy; }),
      {"restart.backoff", text(kBackoffRule), "The first wait and the longest; each is twice the one before.", false,
       setBackoff, getBackoff},
      key("restart.max", integer(0, 1'000'000), "Restarts within `within` before it is given up.",
          [](auto& c) -> auto& { return c.restart.max; }),
      key("restart.within", duration(1s, 720h), "The window of `max`.",
          [](auto& c) -> auto& { return c.restart.within; }),
      map("health", "How a hung agent is noticed."),
      key("health.heartbeat", duration(1s, 24h), "How often it says that it lives.",
          [](auto& c) -> auto& { return c.health.heartbeat; }),
      key("health.misses", integer(1, 1000), "Heartbeats or probes missed before it counts as hung.",
          [](auto& c) -> auto& { return c.health.misses; }),
      key("health.exec", arguments(), "A program in the room that exits 0 when all is well.",
          [](auto& c) -> auto& { return c.health.exec; }),
      key("health.http", text(kHttpRule), "An address in the room that answers 2xx when all is well.",
          [](auto& c) -> auto& { return c.health.http; }),
  };
}

std::vector<Field> roomFields() {
  return {
      map("workspace", "The agent's files."),
      key("workspace.scratch", size(), "Room in /home/agent, which is kept between runs.",
          [](auto& c) -> auto& { return c.workspace.scratch; }),
      {"workspace.mounts", Shape{Kind::kMapList, 0, 64, nullptr, {}}, "Directories that it sees besides.", false,
       addMount, getMounts},
      required(key("workspace.mounts[].source", text(kMountSourceRule),
                   "Relative: beneath the company; absolute: on the host, where root's policy allows it.",
                   [](auto& c) -> auto& { return lastMount(c).source; })),
      required(key("workspace.mounts[].target", text(kMountTargetRule), "Where it is in the room.",
                   [](auto& c) -> auto& { return lastMount(c).target; })),
      key("workspace.mounts[].mode", word<MountMode>(),
          "ro, rw, or overlay: changes are kept apart and committed on acceptance.",
          [](auto& c) -> auto& { return lastMount(c).mode; }),
      key("workspace.encrypted", boolean(), "The scratch is encrypted at rest.",
          [](auto& c) -> auto& { return c.workspace.encrypted; }),
      map("network", "The way out; without it there is none."),
      {"network.egress", Shape{Kind::kMixedList, 0, kMaxListItems, &kEgressRule, {}},
       "Where the proxy connects to; a text is short for a map with host and port.", false, addEgress, getEgress},
      required(key("network.egress[].host", text(kEgressHostRule), "The host; *.example.org is every name below it.",
                   [](auto& c) -> auto& { return lastEgress(c).host; })),
      required(key("network.egress[].port", integer(1, 65'535), "Its port.",
                   [](auto& c) -> auto& { return lastEgress(c).port; })),
      key("network.egress[].methods", texts(kMethodRule), "Plain HTTP with these methods only; no tunnel.",
          [](auto& c) -> auto& { return lastEgress(c).methods; }),
      key("network.egress[].paths", texts(kUrlPathRule), "Plain HTTP to these paths only; no tunnel.",
          [](auto& c) -> auto& { return lastEgress(c).paths; }),
      key("network.egress[].addresses", texts(kRangeRule),
          "Private addresses that the name may lead to, where root's policy.egress_private has them too.",
          [](auto& c) -> auto& { return lastEgress(c).addresses; }),
      {"network.egress[].tunnel", only({"tls", "any"}),
       "What a tunnel (CONNECT) carries: TLS that asks for this very host, or anything.", false,
       [](Contract& c, const YamlNode& node) { lastEgress(c).tls = node.scalar == "tls"; },
       [](const Contract& c) { return Json(lastEgress(c).tls ? "tls" : "any"); }},
      key("network.egress[].max_bytes", size(1), "Bytes in one run, both ways.",
          [](auto& c) -> auto& { return lastEgress(c).maxBytes; }),
      key("network.unrestricted", boolean(), "Any public name, address and port, through the proxy. Needs a reason.",
          [](auto& c) -> auto& { return c.network.unrestricted; }),
      key("network.max_bytes", size(1), "Bytes in one run to everywhere, both ways.",
          [](auto& c) -> auto& { return c.network.maxBytes; }),
      key("network.rate", size(1024), "Bytes a second, both ways.", [](auto& c) -> auto& { return c.network.rate; }),
      key("network.reason", text(kLineRule), "Why the network must be unrestricted.",
          [](auto& c) -> auto& { return c.network.reason; }),
      {"network.dns", only({"proxy", "none"}), "Who resolves names.", false,
       [](Contract& c, const YamlNode& node) { c.network.dnsByProxy = node.scalar == "proxy"; },
       [](const Contract& c) { return Json(c.network.dnsByProxy ? "proxy" : "none"); }},
  };
}

std::vector<Field> companyFields() {
  return {
      map("budget", "What the agent may spend, reserved before a call and settled after it."),
      key("budget.per_run_usd", money(), "US dollars in one run.", [](auto& c) -> auto& { return c.budget.perRun; }),
      key("budget.per_day_usd", money(), "US dollars in a local day.",
          [](auto& c) -> auto& { return c.budget.perDay; }),
      key("budget.per_week_usd", money(), "US dollars in a local week.",
          [](auto& c) -> auto& { return c.budget.perWeek; }),
      key("budget.per_month_usd", money(), "US dollars in a local month.",
          [](auto& c) -> auto& { return c.budget.perMonth; }),
      key("budget.max_turns", integer(1, 1'000'000), "Model calls in one run.",
          [](auto& c) -> auto& { return c.budget.maxTurns; }),
      key("budget.tokens_per_run", integer(1, 1'000'000'000'000), "Tokens in one run, both ways.",
          [](auto& c) -> auto& { return c.budget.tokensPerRun; }),
      map("identity", "Who the agent is in its company."),
      key("identity.soul", text(kStatePathRule), "The file that says who it is.",
          [](auto& c) -> auto& { return c.identity.soul; }),
      key("identity.drives", text(kStatePathRule), "The file that says what it strives for.",
          [](auto& c) -> auto& { return c.identity.drives; }),
      key("identity.role", text(kLabelRule), "Its role.", [](auto& c) -> auto& { return c.identity.role; }),
      map("supervise", "Its place in a tree of agents."),
      key("supervise.parent", text(kAgentNameRule), "The agent that supervises it.",
          [](auto& c) -> auto& { return c.supervise.parent; }),
      key("supervise.strategy", word<SuperviseStrategy>(),
          "Who is restarted when a child fails: it alone, all, or it and those after it.",
          [](auto& c) -> auto& { return c.supervise.strategy; }),
      map("review", "What stands between its work and acceptance."),
      key("review.required", boolean(), "Its work is accepted by another.",
          [](auto& c) -> auto& { return c.review.required; }),
      key("review.by", texts(kAgentNameRule), "Who reviews; none named: a person.",
          [](auto& c) -> auto& { return c.review.by; }),
      key("review.checks", texts(kFreeTextRule), "Commands that must succeed.",
          [](auto& c) -> auto& { return c.review.checks; }),
      map("spawn", "Agents that it may start, with nothing that it lacks itself."),
      key("spawn.allow", texts(kNamePatternRule), "Patterns of their names.",
          [](auto& c) -> auto& { return c.spawn.allow; }),
      key("spawn.max_children", integer(0, 1000), "How many at once.",
          [](auto& c) -> auto& { return c.spawn.maxChildren; }),
      key("reserved", texts(kLabelRule), "Kinds of decisions that go to people.",
          [](auto& c) -> auto& { return c.reserved; }),
  };
}

std::vector<Field> makeFields() {
  std::vector<Field> all;
  for (auto part : {identityFields, resourceFields, guardFields, runFields, roomFields, companyFields}) {
    for (Field& field : part()) all.push_back(std::move(field));
  }
  return all;
}

}  // namespace

std::string textOf(const EgressRule& rule) { return bracketed(rule.host) + ":" + std::to_string(rule.port); }

std::span<const Field> fields() {
  static const std::vector<Field> kFields = makeFields();
  return kFields;
}

}  // namespace agentos::contract
