// SPDX-License-Identifier: Apache-2.0
// audit: tail, query, verify.
#include <memory>

#include "agentctl/fields.h"
#include "agentctl/follow.h"
#include "agentctl/groups.h"

namespace agentos::agentctl {
namespace {

struct QueryArgs {
  std::string kind, agent, instance, task, trace, since, until;
  std::int64_t limit = 100;
};

Result<int> query(Session& session, const QueryArgs& args) {
  AGENTOS_TRY(auto since, timeArgument(args.since));
  AGENTOS_TRY(auto until, timeArgument(args.until));
  EventsWanted wanted;
  wanted.count = args.limit;
  wanted.filter = {{"kind", args.kind}, {"agent", args.agent}, {"instance", args.instance},
                   {"task", args.task}, {"trace", args.trace}, {"since", since},
                   {"until", until}};
  return showEvents(session, wanted);
}

// Broken is a failure; an unanchored log is whole as far as it can be known, and said to be no more.
Result<int> verify(Session& session) {
  static const std::vector<Column> rows = {
      {"Audit log", [](const Json& v) { return textOf(v, "state"); }, Column::Kind::kState},
      {"Events", [](const Json& v) { return textOf(v, "events"); }},
      {"Files", [](const Json& v) { return textOf(v, "files"); }},
      {"Anchored up to", [](const Json& v) { return textOf(v, "anchored_up_to"); }},
      {"Where", [](const Json& v) { return textOf(v, "where"); }},
      {"Fault", [](const Json& v) { return textOf(v, "what"); }},
  };
  session.extendTimeout(std::chrono::minutes(10));  // the whole log is read
  AGENTOS_TRY(auto verdict, session.get("/v1/audit/verify"));
  session.out().thing(verdict, rows, "state");
  if (textOf(verdict, "state") != "broken") return 0;
  complain("the audit log does not verify; keep " + textOf(verdict, "where") + " as evidence (docs/audit.md)");
  return infoOf(ErrorCode::kAuditBroken).exitStatus;
}

}  // namespace

void addAuditCommands(Command& root) {
  auto group = root.group("audit", "The hash-chained record of what happened");
  auto wanted = std::make_shared<EventsWanted>();
  group.verb("tail", "Show the newest events", [wanted](Session& session) { return showEvents(session, *wanted); })
      .flag("-f,--follow", wanted->follow, "go on with every event as it happens")
      .number("-n,--lines", wanted->count, "how many of the newest (20)");
  auto args = std::make_shared<QueryArgs>();
  group.verb("query", "Show the newest events that match", [args](Session& session) { return query(session, *args); })
      .option("--kind", args->kind, "a name or a pattern", "task.*")
      .option("--agent", args->agent, "of this agent", "NAME")
      .option("--instance", args->instance, "of this instance", "ID")
      .option("--task", args->task, "of this task", "ID")
      .option("--trace", args->trace, "what one request or cycle caused", "ID")
      .option("--since", args->since, "10m, or an RFC 3339 time", "TIME")
      .option("--until", args->until, "10m, or an RFC 3339 time", "TIME")
      .number("--limit,-n", args->limit, "how many at most (100)");
  group.verb("verify", "Walk the whole chain; exit 1 when it is broken",
             [](Session& session) { return verify(session); });
}

}  // namespace agentos::agentctl
