// SPDX-License-Identifier: Apache-2.0
#include "company/task.h"

#include <algorithm>

#include "company/front_matter.h"

namespace agentos::company {
namespace {

constexpr std::string_view kDirectories[] = {"backlog", "queued", "in-progress", "in-review",
                                             "done",    "failed", "declined"};
constexpr std::string_view kPriorities[] = {"critical", "high", "medium", "low"};
constexpr std::int64_t kMostAttempts = 1000;
constexpr std::int64_t kMostEpochs = std::int64_t{1} << 53;  // what every reader of JSON still counts exactly

Priority priorityOf(std::string_view word) {
  const auto found = std::ranges::find(kPriorities, word);
  return found == std::end(kPriorities) ? Priority::kMedium : static_cast<Priority>(found - std::begin(kPriorities));
}

// The file's name is the id; a copy inside that says otherwise would be followed by somebody some day.
void checkId(FieldReader& fields, const TaskId& id) {
  const std::string written = fields.text("id");
  if (written.empty() || written == id.str()) return;
  fields.refuse("id", fields.find("id")->mark, "'" + written + "' is not the file's name",
                "id: " + id.str() + ", or the file named " + written + ".md");
}

std::vector<TaskId> readDependencies(FieldReader& fields) {
  std::vector<TaskId> ids;
  for (const std::string& text : fields.list("depends_on")) {
    auto id = TaskId::parse(text);
    if (id) {
      ids.push_back(*std::move(id));
    } else {
      fields.refuse("depends_on", fields.find("depends_on")->mark, id.error().what, id.error().remedy);
    }
  }
  return ids;
}

// A file without a date is as old as its id says.
Timestamp dateOf(const TaskId& id) {
  const std::string& text = id.str();  // task-YYYY-MMDD-NNN
  return parseTimestamp(text.substr(5, 4) + "-" + text.substr(10, 2) + "-" + text.substr(12, 2) + "T00:00:00Z")
      .value_or(Timestamp{});
}

Handoff readHandoff(FieldReader fields) {
  return {fields.text("attempted"), fields.text("changed"), fields.text("remains"), fields.text("failed"),
          fields.text("next")};
}

std::vector<RunRecord> readRuns(FieldReader& fields, const std::string& file) {
  std::vector<RunRecord> runs;
  const YamlNode* list = fields.find("runs");
  if (list == nullptr) return runs;
  if (list->kind != YamlNode::Kind::kList) fields.refuse("runs", list->mark, "not a list", "one entry a run");
  for (const YamlNode& item : list->items) {
    if (item.kind != YamlNode::Kind::kMap)
      fields.refuse("runs", item.mark, "an entry that is no map", "keys and values");
    FieldReader run(item, file);
    runs.push_back({run.integer("epoch", 0, 0, kMostEpochs), run.text("holder"),
                    run.time("ended").value_or(Timestamp{}), run.text("verdict"), run.text("reason"),
                    readHandoff(FieldReader(item, file))});
    if (auto good = run.done(); !good) fields.refuse("runs", item.mark, good.error().what, good.error().remedy);
  }
  return runs;
}

}  // namespace

std::string_view directoryOf(TaskStatus status) { return kDirectories[static_cast<std::size_t>(status)]; }

std::optional<TaskStatus> findTaskStatus(std::string_view directory) {
  const auto found = std::ranges::find(kDirectories, directory);
  if (found == std::end(kDirectories)) return std::nullopt;
  return static_cast<TaskStatus>(found - std::begin(kDirectories));
}

std::string_view nameOf(Priority priority) { return kPriorities[static_cast<std::size_t>(priority)]; }

bool isAssignedTo(std::string_view assignedTo, const AgentName& agent) {
  if (assignedTo.empty() || assignedTo == agent.str()) return true;
  return agent.str().starts_with(assignedTo) && agent.str()[assignedTo.size()] == '-';
}

std::string interruptedAgent(const Task& task) {
  if (task.runs.empty() || task.runs.back().verdict != "released") return {};
  const auto holder = InstanceId::parse(task.runs.back().holder);
  return holder ? std::string(agentOf(*holder)) : std::string();
}

Result<Task> parseTask(std::string_view text, const TaskId& id, TaskStatus status) {
  const std::string file = id.str() + ".md";
  AGENTOS_TRY(const FrontMatter record, FrontMatter::parse(text, file));
  FieldReader fields(record.root(), file);
  Task task;
  task.id = id;
  task.status = status;
  checkId(fields, id);
  task.title = fields.text("title");
  task.createdBy = fields.text("created_by");
  task.assignedTo = fields.text("assigned_to");
  task.product = fields.text("product");
  task.outcome = fields.text("outcome");
  task.idempotencyKey = fields.text("idempotency_key");
  task.tags = fields.list("tags");
  task.priority = priorityOf(fields.text("priority"));
  task.dependsOn = readDependencies(fields);
  const auto created = fields.time("created");
  const auto createdAt = fields.time("created_at");
  task.created = created ? *created : createdAt ? *createdAt : dateOf(id);
  task.notBefore = fields.time("not_before");
  task.deadline = fields.time("deadline");
  task.attempts = fields.integer("attempts", 3, 1, kMostAttempts);
  task.attempt = fields.integer("attempt", 0, 0, kMostAttempts);
  task.epoch = fields.integer("epoch", 0, 0, kMostEpochs);
  task.claimedBy = fields.text("claimed_by");
  task.verify = fields.list("verify");
  task.artifacts = fields.list("artifacts");
  task.promotable = fields.flag("promotable", true);
  task.promotedBy = fields.text("promoted_by");
  task.promotedAt = fields.time("promoted_at");
  if (const YamlNode* handoff = fields.find("handoff")) {
    if (handoff->kind != YamlNode::Kind::kMap) {
      fields.refuse("handoff", handoff->mark, "not a map", "attempted, changed, remains, failed, next");
    }
    task.handoff = readHandoff(FieldReader(*handoff, file));
  }
  task.runs = readRuns(fields, file);
  AGENTOS_CHECK(fields.done());
  task.body = record.body();
  return task;
}

}  // namespace agentos::company
