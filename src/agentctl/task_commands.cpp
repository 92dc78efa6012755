// SPDX-License-Identifier: Apache-2.0
// task: the company's queue.
#include <unistd.h>

#include <memory>

#include "agentctl/fields.h"
#include "agentctl/groups.h"
#include "base/files.h"
#include "base/units.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

using client::pathOf;
using Kind = Column::Kind;

std::function<std::string(const Json&)> field(const std::string& path) {
  return [path](const Json& value) { return textOf(value, path); };
}

// Runs that failed, of those it may take.
std::string attemptsOf(const Json& task) { return textOf(task, "attempt") + "/" + textOf(task, "attempts"); }

Result<int> list(Session& session, const std::string& status, const std::string& assigned) {
  static const std::vector<Column> columns = {
      {"ID", field("id")},
      {"STATUS", field("status"), Kind::kState},
      {"PRIORITY", field("priority")},
      {"ASSIGNED", field("assigned_to")},
      {"FAILED", attemptsOf},
      {"HOLDER", field("claimed_by"), Kind::kWide},
      {"DEPENDS ON", field("depends_on"), Kind::kWide},
      {"AGE", [](const Json& v) { return ageOf(v, "created"); }, Kind::kNumber},
      {"OUTCOME", field("outcome"), Kind::kWide},
      {"TITLE", field("title")},
  };
  AGENTOS_TRY(auto items, session.list("/v1/tasks", {{"status", status}, {"assigned_to", assigned}}));
  session.out().list(items, columns, "id",
                     "there are no tasks" + (status.empty() ? "" : " in " + status) + " (task add makes one)");
  return 0;
}

Result<int> show(Session& session, const std::string& id) {
  static const std::vector<Column> rows = {
      {"Task", field("id")},
      {"Title", field("title")},
      {"Status", field("status"), Kind::kState},
      {"Outcome", field("outcome"), Kind::kState},
      {"Priority", field("priority")},
      {"Created by", field("created_by")},
      {"Created", [](const Json& v) { return timeOf(v, "created"); }},
      {"Assigned to", field("assigned_to")},
      {"Holder", field("claimed_by")},
      {"Failed runs", attemptsOf},
      {"Depends on", field("depends_on")},
      {"Not before", [](const Json& v) { return timeOf(v, "not_before"); }},
      {"Deadline", [](const Json& v) { return timeOf(v, "deadline"); }},
      {"Product", field("product")},
      {"Tags", field("tags")},
      {"Artifacts", field("artifacts")},
      {"Attempted", field("handoff.attempted")},
      {"Changed", field("handoff.changed")},
      {"Remains", field("handoff.remains")},
      {"Failed", field("handoff.failed")},
      {"Next", field("handoff.next")},
  };
  AGENTOS_TRY(auto task, session.get(pathOf("/v1/tasks", {id})));
  session.out().thing(task, rows, "id");
  if (session.out().isTable() && !textOf(task, "body").empty()) session.out().line("\n" + textOf(task, "body"));
  return 0;
}

struct AddArgs {
  std::string title, titleOption, body, bodyFile, assigned, product, priority = "medium", notBefore, deadline, key;
  std::vector<std::string> tags, dependsOn;
  std::int64_t attempts = 3;
  bool backlog = false;
};

Result<std::string> bodyOf(const AddArgs& args) {
  if (args.bodyFile.empty()) return args.body;
  return args.bodyFile == "-" ? readAll(STDIN_FILENO, 1 << 20) : readPath(args.bodyFile);
}

// "in 2h" is how people say it: a duration counts from now on.
Result<std::string> futureTime(const std::string& text) {
  if (text.empty()) return text;
  if (auto ahead = parseDuration(text)) return formatUtc(SystemClock().now() + *ahead);
  if (auto time = parseTimestamp(text)) return formatUtc(*time);
  return fail(ErrorCode::kInvalidArgument, "\"" + text + "\" is no time",
              "give how far ahead (10m, 2h, 1d) or an RFC 3339 time (2026-11-20T14:00:00Z)");
}

Result<int> add(Session& session, const AddArgs& args) {
  const std::string& title = args.title.empty() ? args.titleOption : args.title;
  if (title.empty())
    return fail(ErrorCode::kInvalidArgument, "a task without a title", "agentctl task add \"What is to be done\"");
  AGENTOS_TRY(auto body, bodyOf(args));
  AGENTOS_TRY(auto notBefore, futureTime(args.notBefore));
  AGENTOS_TRY(auto deadline, futureTime(args.deadline));
  Json task = {{"title", title},
               {"body", body},
               {"priority", args.priority},
               {"tags", args.tags},
               {"depends_on", args.dependsOn},
               {"backlog", args.backlog},
               {"attempts", args.attempts}};
  const std::pair<const char*, const std::string&> optional[] = {{"assigned_to", args.assigned},
                                                                 {"product", args.product},
                                                                 {"not_before", notBefore},
                                                                 {"deadline", deadline},
                                                                 {"idempotency_key", args.key}};
  for (const auto& [name, value] : optional) {
    if (!value.empty()) task[name] = value;
  }
  auto warning = args.assigned.empty() ? "" : warningOfNobody(session, args.assigned);
  AGENTOS_TRY(auto made, session.post("/v1/tasks", std::move(task)));
  session.out().record(made, textOf(made, "id"), "id");
  session.out().say(warning);
  return 0;
}

Result<int> move(Session& session, const std::string& verb, const std::vector<std::string>& ids,
                 const std::string& reason) {
  Json body = Json::object();
  if (!reason.empty()) body["reason"] = reason;
  for (const auto& id : ids) {
    AGENTOS_TRY(auto task, session.post(pathOf("/v1/tasks", {id, verb}), body));
    session.out().record(task, id + " " + textOf(task, "status"), "id");
  }
  return 0;
}

struct MoveArgs {
  std::vector<std::string> ids;
  std::string reason;
};

void addMove(Command& group, const std::string& verb, const std::string& help) {
  auto args = std::make_shared<MoveArgs>();
  group
      .verb(
          verb, help, [args, verb](Session& session) { return move(session, verb, args->ids, args->reason); },
          Names::kTasks)
      .arguments("ID", args->ids, "task ids")
      .option("--reason,-m", args->reason, "why, for the record");
}

}  // namespace

void addTaskCommands(Command& root) {
  auto group = root.group("task", "The company's queue");
  auto made = std::make_shared<AddArgs>();
  group
      .verb("add", "Put a task into the queue; prints its id", [made](Session& session) { return add(session, *made); })
      .argument("TITLE", made->title, "one line", false)
      .option("--title", made->titleOption, "the same")
      .option("--body", made->body, "the task's text (Markdown)")
      .option("--body-file,-F", made->bodyFile, "the same from a file; - reads stdin", "FILE")
      .option("--to,--assign", made->assigned, "only this agent (default: anyone)", "AGENT")
      .choice("--priority,-p", made->priority, {"critical", "high", "medium", "low"}, "default medium")
      .options("--depends-on", made->dependsOn, "a task that must be done first; may be given again", "ID")
      .options("--tag", made->tags, "may be given again")
      .option("--product", made->product, "which product it is for")
      .option("--not-before", made->notBefore, "earliest start: 2h from now, or an RFC 3339 time", "TIME")
      .option("--deadline", made->deadline, "2h from now, or an RFC 3339 time", "TIME")
      .number("--attempts", made->attempts, "how many runs it may take (3)")
      .option("--key", made->key, "idempotency key: the same one gives the same task")
      .flag("--backlog", made->backlog, "into the backlog, to be promoted later");
  struct ListArgs {
    std::string status, assigned;
  };
  auto listed = std::make_shared<ListArgs>();
  group
      .verb("list", "List tasks",
            [listed](Session& session) { return list(session, listed->status, listed->assigned); })
      .choice("--status,-s", listed->status,
              {"backlog", "queued", "in-progress", "in-review", "done", "failed", "declined"}, "only these")
      .option("--assigned", listed->assigned, "only those of this agent", "AGENT");
  auto shown = std::make_shared<std::string>();
  group.verb(
           "show", "Show one task", [shown](Session& session) { return show(session, *shown); }, Names::kTasks)
      .argument("ID", *shown, "its id");
  auto compared = std::make_shared<std::string>();
  group
      .verb(
          "diff", "What the run of a task in review changed in its overlays",
          [compared](Session& session) { return showChanges(session, pathOf("/v1/tasks", {*compared, "changes"})); },
          Names::kTasks)
      .argument("ID", *compared, "its id");
  addMove(group, "promote", "From the backlog into the queue");
  addMove(group, "demote", "From the queue into the backlog");
  addMove(group, "requeue", "Back into the queue");
  addMove(group, "complete", "To done");
  addMove(group, "fail", "To failed");
  addMove(group, "decline", "To declined, with a message to its creator");
}

}  // namespace agentos::agentctl
