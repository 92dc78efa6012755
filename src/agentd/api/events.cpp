// SPDX-License-Identifier: Apache-2.0
// /v1/events: server-sent events (WHATWG HTML, 9.2). An event's id is its audit sequence; a client that comes back with
// Last-Event-ID gets from the audit files what it missed, and then what happens.
#include <deque>

#include "agentd/api/on_pool.h"
#include "agentd/api/poll.h"
#include "agentd/api/routes.h"
#include "base/text.h"
#include "govern/line.h"
#include "govern/reader.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

constexpr std::size_t kMostWaiting = 4096;  // a reader that falls behind further is cut; it may resume
constexpr auto kHeartbeat = std::chrono::seconds(15);
using Entries = std::vector<govern::AuditEntry>;

struct Wanted {
  std::string kind, agent, instance, task;
  bool matches(const govern::AuditEvent& event) const {
    return (kind.empty() || matchesPattern(kind, event.kind)) && (agent.empty() || agent == event.agent) &&
           (instance.empty() || instance == event.instance) && (task.empty() || task == event.task);
  }
};

// What the loop's events leave for one reader; shared, since an event may come while the reader is being cancelled.
struct Feed {
  explicit Feed(asio::io_context& io) : bell(std::make_shared<Bell>(io)) {}
  std::deque<govern::AuditEntry> waiting;
  bool overflown = false;
  std::shared_ptr<Bell> bell;
};

std::string frameOf(const govern::AuditEntry& entry) {
  return "id: " + std::to_string(entry.sequence) + "\nevent: " + entry.event.kind +
         "\ndata: " + dumpJson(govern::toJson(entry)) + "\n\n";
}

std::shared_ptr<void> feedFrom(Events& events, const std::shared_ptr<Feed>& feed, const Wanted& wanted) {
  return events.listen([feed, wanted](const govern::AuditEntry& entry) {
    if (feed->overflown || !wanted.matches(entry.event)) return;
    if (feed->waiting.size() >= kMostWaiting) {
      feed->overflown = true;
      feed->waiting.clear();
    } else {
      feed->waiting.push_back(entry);
    }
    feed->bell->ring();
  });
}

// Sends the entries after `last` up to `head` from the files, page by page; false when the client is gone.
asio::awaitable<Result<bool>> replay(const ApiServices& api, Stream& stream, const Wanted& wanted, std::uint64_t last,
                                     std::uint64_t head) {
  if (last >= head) co_return true;
  govern::AuditFilter after;
  after.afterSequence = last;
  after.upToSequence = head;
  after.agent = wanted.agent;
  after.instance = wanted.instance;
  after.task = wanted.task;
  auto reader = std::make_shared<govern::AuditReader>(api.events.auditDirectory(), std::move(after));
  while (true) {
    AGENTOS_CO_TRY(auto entries, co_await onPool<Result<Entries>>(api.pool, [reader] { return reader->next(); }));
    if (entries.empty()) co_return true;
    std::string frames;
    for (const auto& entry : entries) {
      if (wanted.matches(entry.event)) frames += frameOf(entry);
    }
    if (!frames.empty() && !co_await stream.write(std::move(frames))) co_return false;
  }
}

// What has come since; one that fell too far behind is cut.
asio::awaitable<Result<Portion>> nextFrames(std::shared_ptr<Feed> feed, std::uint64_t after) {
  Portion portion{.bytes = {}, .over = feed->overflown};
  for (const auto& entry : std::exchange(feed->waiting, {})) {
    if (entry.sequence > after) portion.bytes += frameOf(entry);
  }
  co_return portion;
}

Result<std::optional<std::uint64_t>> lastSeen(const http::Request& request) {
  std::string_view header = request.header("last-event-id");
  if (header.empty()) return http::numberOf(request, "after");
  http::Request asQuery;
  asQuery.query.emplace_back("Last-Event-ID", header);
  return http::numberOf(asQuery, "Last-Event-ID");
}

asio::awaitable<Response> follow(const ApiServices& api, RequestPtr request, Stream& stream) {
  auto seen = lastSeen(*request);
  if (!seen) co_return http::problem(seen.error());
  auto value = [&request](std::string_view name) { return std::string(request->queryValue(name).value_or("")); };
  Wanted wanted{value("kind"), value("agent"), value("instance"), value("task")};
  bool onward = request->queryValue("follow").value_or("1") != "0";

  // Listening begins before the files are read: what happens meanwhile waits, and nothing falls between.
  auto feed = std::make_shared<Feed>(api.io);
  auto listening = feedFrom(api.events, feed, wanted);
  std::uint64_t head = api.events.log().head().sequence;
  std::uint64_t last = std::min(seen->value_or(head), head);
  Response start = http::text({}, "text/event-stream");
  start.headers.emplace_back("Cache-Control", "no-store");
  if (!co_await stream.begin(std::move(start)) ||
      !co_await stream.write(": audit sequence " + std::to_string(head) + "\n\n"))
    co_return Response{};
  auto replayed = co_await replay(api, stream, wanted, last, head);
  if (!replayed) stream.abort();
  if (!replayed || !*replayed || !onward) co_return Response{};
  [[maybe_unused]] auto told =
      co_await pump(stream, feed->bell, {kHeartbeat, ":\n\n"}, [feed, head] { return nextFrames(feed, head); });
  stream.abort();
  co_return Response{};
}

}  // namespace

void addEventRoutes(http::Router& router, const ApiServices& api) {
  router.add({"GET", "/v1/events", http::Access::kMember,
              [&api](RequestPtr request, Stream& stream) { return follow(api, std::move(request), stream); },
              http::Hangup::kCut});
}

}  // namespace agentos::agentd
