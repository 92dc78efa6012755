// SPDX-License-Identifier: Apache-2.0
// /v1/agents/{id}/logs: what an instance printed, from the files that agent-init writes, and with ?show=all or events
// what agentd recorded about it, from the audit log; as text or as JSON lines (Accept: application/x-ndjson). Read on
// the pool, page by page; followed until the instance has ended.
#include <optional>
#include <utility>

#include "agentd/api/merged_log.h"
#include "agentd/api/on_pool.h"
#include "agentd/api/poll.h"
#include "agentd/api/routes.h"
#include "base/files.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

constexpr std::uint64_t kLongestTail = 100000;
constexpr std::size_t kBiggestTail = 16 << 20;
constexpr auto kEndToldWithin = std::chrono::seconds(5);  // the books may have to be tried twice

struct Asked {
  bool follow = false, asJson = false, output = true, events = false;
  std::optional<Timestamp> since;
  std::optional<std::uint64_t> tail, after;
};

// ?since= takes a time, or a duration that is counted back from now.
Result<std::optional<Timestamp>> sinceOf(const http::Request& request, Timestamp now) {
  auto text = request.queryValue("since");
  if (!text || text->empty()) return std::nullopt;
  if (auto duration = parseDuration(*text)) return now - *duration;
  auto time = parseTimestamp(*text);
  if (!time)
    return fail(ErrorCode::kInvalidArgument, "?since=" + std::string(*text),
                "a time as 2026-11-20T14:03:07Z or a duration as 10m");
  return *time;
}

Result<void> readShow(const http::Request& request, Asked& asked) {
  const std::string_view show = request.queryValue("show").value_or("output");
  if (show != "output" && show != "events" && show != "all") {
    return fail(ErrorCode::kInvalidArgument, "?show=" + std::string(show), "output, events or all");
  }
  asked.output = show != "events";
  asked.events = show != "output";
  return {};
}

Result<Asked> askedOf(const http::Request& request, Timestamp now) {
  Asked asked;
  AGENTOS_TRY(asked.follow, http::flagOf(request, "follow"));
  AGENTOS_TRY(asked.since, sinceOf(request, now));
  AGENTOS_TRY(asked.tail, http::numberOf(request, "tail"));
  AGENTOS_TRY(asked.after, http::numberOf(request, "after"));
  AGENTOS_CHECK(readShow(request, asked));
  if (asked.tail.value_or(0) > kLongestTail) {
    return fail(ErrorCode::kInvalidArgument, "?tail=" + std::to_string(*asked.tail),
                "at most " + std::to_string(kLongestTail));
  }
  asked.asJson = request.header("accept").find("application/x-ndjson") != std::string_view::npos;
  return asked;
}

// ?run= picks one of an agent's runs, by its whole id or by what stands after the agent's name.
Result<InstanceId> runOf(const ApiServices& api, const http::Request& request) {
  const std::string asked(request.parameter("id"));
  const std::string run(request.queryValue("run").value_or(""));
  if (run.empty()) return findRun(api, asked);
  AGENTOS_TRY(auto id, findRun(api, run.contains('.') ? run : asked + "." + run));
  if (agentOf(id) == asked || id.str() == asked) return id;
  return fail(ErrorCode::kNotFound, id.str() + " is no run of " + asked, "agentctl ps -a shows the runs of each agent");
}

// Whom the lines are about. Asked for by an agent's name, its own events count too: a refused start has no instance.
struct Subject {
  std::optional<InstanceId> id{};
  std::string agent{};
  bool byName = false;
  Timestamp created{};
};

Result<Subject> subjectOf(const ApiServices& api, const http::Request& request, const Asked& asked) {
  const std::string text(request.parameter("id"));
  Subject subject;
  subject.agent = text;
  auto id = runOf(api, request);
  if (id) {
    AGENTOS_TRY(auto view, api.supervisor.view(*id));
    subject.id = *id;
    subject.agent = agentOf(*id);
    subject.byName = text == subject.agent && !request.queryValue("run");
    subject.created = std::chrono::floor<std::chrono::milliseconds>(view.created);  // the events' own grain
    return subject;
  }
  auto name = AgentName::parse(text);
  subject.byName = true;
  const bool anyRun = !request.queryValue("run");
  if (anyRun && asked.events && name && api.contracts.find(*name))
    return subject;  // it never ran; why stands in the events
  return std::unexpected(std::move(id).error());
}

std::optional<govern::AuditReader> eventsOf(const ApiServices& api, const Subject& subject, const Asked& asked) {
  if (!asked.events) return std::nullopt;
  govern::AuditFilter wanted;
  wanted.agent = subject.byName ? subject.agent : "";
  wanted.instance = subject.byName ? "" : subject.id->str();
  wanted.afterSequence = asked.after.value_or(0);
  if (!asked.after) wanted.since = asked.since;
  const Timestamp from = std::max(wanted.since.value_or(Timestamp{}), subject.created);
  return govern::AuditReader(api.events.auditDirectory(), std::move(wanted), from);
}

std::function<bool(const govern::AuditEntry&)> aboutOf(const Subject& subject) {
  return [id = subject.id ? subject.id->str() : "", created = subject.created](const govern::AuditEntry& entry) {
    return entry.event.instance == id || (entry.event.instance.empty() && entry.time >= created);
  };
}

Result<std::shared_ptr<MergedLog>> openLog(const ApiServices& api, const Subject& subject, const Asked& asked) {
  std::optional<sandbox::LogReader> output;
  if (asked.output && subject.id) {
    auto directory = openDirectory(api.logDirectory + "/" + subject.id->str());
    if (directory) {
      output.emplace(std::move(*directory), sandbox::LogCursor{}, asked.since);
    } else if (!asked.events) {  // a refused run has events and no log
      return std::unexpected(std::move(directory).error().within("the log of " + subject.id->str()));
    }
  }
  return std::make_shared<MergedLog>(std::move(output), eventsOf(api, subject, asked), aboutOf(subject));
}

std::string rendered(const LogLines& lines, bool asJson) {
  std::string out;
  for (const auto& line : lines) out += asJson ? jsonLine(line) : plainText(line);
  return out;
}

// One client's log, as it is told.
struct Telling {
  const ApiServices& api;
  Asked asked;
  std::optional<InstanceId> id;
  std::shared_ptr<MergedLog> log;
  bool endTold = false;
  std::optional<BootTime> endedAt{};

  bool hasEnded() const {
    if (!id) return true;
    auto view = api.supervisor.view(*id);
    return !view || !isLive(view->state);
  }
  // It has ended, and its last event was told, or does not come.
  bool isOver() {
    if (!asked.follow) return true;
    if (!hasEnded()) return false;
    if (!endedAt) endedAt = api.clock.bootNow();
    return !asked.events || endTold || !id || api.clock.bootNow() - *endedAt > kEndToldWithin;
  }
  void look(const LogLines& lines) {
    for (const auto& line : lines) {
      const auto* entry = std::get_if<govern::AuditEntry>(&line);
      endTold = endTold || (entry != nullptr && id && entry->event.instance == id->str() && isEnd(entry->event));
    }
  }
};

asio::awaitable<Result<Portion>> nextPortion(Telling* telling) {
  const bool over = telling->isOver();  // asked before reading: what was written until then is read
  auto lines = co_await onPool<Result<LogLines>>(
      telling->api.pool, [log = telling->log, tail = std::exchange(telling->asked.tail, std::nullopt)] {
        return tail ? log->last(*tail, kBiggestTail) : log->next();
      });
  if (!lines) co_return std::unexpected(std::move(lines).error());
  telling->look(*lines);
  co_return Portion{rendered(*lines, telling->asked.asJson), over && lines->empty()};
}

asio::awaitable<Response> logs(const ApiServices& api, RequestPtr request, Stream& stream) {
  auto asked = askedOf(*request, api.clock.now());
  if (!asked) co_return http::problem(asked.error());
  auto subject = subjectOf(api, *request, *asked);
  if (!subject) co_return askAgain(subject.error());
  auto log = openLog(api, *subject, *asked);
  if (!log) co_return http::problem(log.error());
  if (!co_await stream.begin(http::text({}, asked->asJson ? "application/x-ndjson" : "text/plain; charset=utf-8")))
    co_return Response{};

  auto bell = std::make_shared<Bell>(api.io);
  std::optional<DirectoryWatch> output;
  std::shared_ptr<void> events;
  if (asked->follow && asked->output && subject->id)
    output.emplace(api.io, api.logDirectory + "/" + subject->id->str(), bell);
  if (asked->follow && asked->events) events = api.events.listen([bell](const govern::AuditEntry&) { bell->ring(); });
  Telling telling{api, *asked, subject->id, *log};
  auto told = co_await pump(stream, bell, {}, [&telling] { return nextPortion(&telling); });
  if (!told) stream.abort();
  co_return Response{};
}

}  // namespace

void addLogRoutes(http::Router& router, const ApiServices& api) {
  router.add({"GET", "/v1/agents/{id}/logs", http::Access::kMember,
              [&api](RequestPtr request, Stream& stream) { return logs(api, std::move(request), stream); },
              http::Hangup::kCut});
}

}  // namespace agentos::agentd
