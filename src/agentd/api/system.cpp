// SPDX-License-Identifier: Apache-2.0
// Health, readiness, metrics, the description of the API, and the daemon itself.
#include <unistd.h>

#include <map>

#include "agentd/api/routes.h"
#include "base/files.h"
#include "base/text.h"

namespace agentos::agentd {
using http::Request;
using http::Response;
namespace {

Response health(const ApiServices&, const Request&) { return http::json({{"status", "ok"}}); }

Response readiness(const ApiServices& api, const Request&) {
  std::string why = api.notReady ? api.notReady() : "";
  if (why.empty()) return http::json({{"status", "ready"}});
  return http::problem({ErrorCode::kUnavailable, "not ready: " + why, "ask again in a moment", 0, {}});
}

Response system(const ApiServices& api, const Request&) {
  Json view = api.systemInfo ? api.systemInfo() : Json::object();
  auto head = api.events.log().head();
  view["version"] = api.version;
  view["pid"] = ::getpid();
  view["time"] = formatUtc(api.clock.now());
  view["audit"] = {{"sequence", head.sequence}, {"hash", head.hash}};
  return http::json(view);
}

boost::asio::awaitable<Response> reload(const ApiServices& api, http::RequestPtr request) {
  if (!api.reload) co_return http::problem({ErrorCode::kUnavailable, "this agentd cannot reload", "restart it", 0, {}});
  auto report = co_await api.reload(actorOf(*request));
  co_return http::answer(report, [](const Json& json) { return http::json(json); });
}

// The text format of Prometheus, version 0.0.4.
class Metrics {
 public:
  void family(const std::string& name, const std::string& type, const std::string& help) {
    text_ += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void sample(const std::string& name, const std::string& label, const std::string& value, std::int64_t number) {
    text_ += name + (label.empty() ? "" : "{" + label + "=\"" + escaped(value) + "\"}") + " " + std::to_string(number) +
             "\n";
  }
  void single(const std::string& name, const std::string& type, const std::string& help, std::int64_t number) {
    family(name, type, help);
    sample(name, "", "", number);
  }
  std::string take() { return std::move(text_); }

 private:
  static std::string escaped(const std::string& value) {
    std::string out;
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
      } else {
        out += c;
      }
    }
    return out;
  }
  std::string text_;
};

void countInstances(Metrics& metrics, const ApiServices& api) {
  std::map<std::string, std::int64_t> byState;
  for (State state : {State::kStarting, State::kRunning, State::kPaused, State::kStopping})
    byState[std::string(nameOf(state))] = 0;
  for (const InstanceView& instance : api.supervisor.list(false)) ++byState[std::string(nameOf(instance.state))];
  metrics.family("agentd_instances", "gauge", "Live instances by state.");
  for (const auto& [state, count] : byState) metrics.sample("agentd_instances", "state", state, count);
}

void countTasks(Metrics& metrics, const ApiServices& api) {
  if (api.queue == nullptr) return;
  metrics.family("agentd_tasks", "gauge", "Tasks by status.");
  for (auto status : company::kAllTaskStatuses) {
    auto tasks = api.queue->list(status);
    if (tasks)
      metrics.sample("agentd_tasks", "status", std::string(directoryOf(status)),
                     static_cast<std::int64_t>(tasks->size()));
  }
}

void countCosts(Metrics& metrics, const ApiServices& api) {
  auto totals = api.ledger.totals(models::Ledger::By::kAgent, std::nullopt);
  if (!totals) return;
  metrics.family("agentd_cost_micro_usd_total", "counter", "Settled cost by agent, in millionths of a US dollar.");
  for (const auto& total : *totals) metrics.sample("agentd_cost_micro_usd_total", "agent", total.key, total.cost.count);
  metrics.family("agentd_model_calls_total", "counter", "Settled model calls by agent.");
  for (const auto& total : *totals) metrics.sample("agentd_model_calls_total", "agent", total.key, total.calls);
}

std::int64_t residentBytes() {
  auto text = readPath("/proc/self/statm");
  if (!text) return 0;
  auto fields = split(*text, ' ');
  return fields.size() < 2 ? 0 : std::stoll(std::string(fields[1])) * ::sysconf(_SC_PAGESIZE);
}

std::int64_t openDescriptors() {
  auto directory = openDirectory("/proc/self/fd");
  if (!directory) return 0;
  auto names = listDirectory(directory->get());
  return names ? static_cast<std::int64_t>(names->size()) - 1 : 0;
}

Response metrics(const ApiServices& api, const Request&) {
  Metrics metrics;
  metrics.family("agentd_build_info", "gauge", "The version that runs.");
  metrics.sample("agentd_build_info", "version", api.version, 1);
  countInstances(metrics, api);
  countTasks(metrics, api);
  countCosts(metrics, api);
  metrics.single("agentd_audit_sequence", "counter", "The number of the newest audit event.",
                 static_cast<std::int64_t>(api.events.log().head().sequence));
  metrics.single("process_resident_memory_bytes", "gauge", "Resident memory of agentd.", residentBytes());
  metrics.single("process_open_fds", "gauge", "Open file descriptors of agentd.", openDescriptors());
  return http::text(metrics.take(), "text/plain; version=0.0.4; charset=utf-8");
}

Response openApi(const ApiServices&, const Request&) {
  return http::text(std::string(openApiDocument()), "application/json");
}

}  // namespace

void addSystemRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  auto get = [&](std::string path, http::Access access, Response (*work)(const ApiServices&, const Request&)) {
    router.add(
        {"GET", std::move(path), access, plainly([&api, work](const Request& request) { return work(api, request); })});
  };
  get("/healthz", kOpen, health);
  get("/readyz", kOpen, readiness);
  get("/openapi.json", kOpen, openApi);
  get("/metrics", kMember, metrics);
  get("/v1/system", kMember, system);
  router.add({"POST", "/v1/system/reload", kAdmin,
              [&api](http::RequestPtr request, http::Stream&) { return reload(api, std::move(request)); }});
}

}  // namespace agentos::agentd
