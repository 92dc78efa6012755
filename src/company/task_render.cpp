// SPDX-License-Identifier: Apache-2.0
#include "company/front_matter.h"
#include "company/task.h"

namespace agentos::company {
namespace {

// Small enough that kMaxRuns of them stay far below the megabyte that a front matter may have.
constexpr std::size_t kMaxRunField = 1024;
constexpr std::size_t kMaxHandoffField = 8192;

using Changes = std::vector<FrontMatter::Change>;

std::string indented(std::string_view lead, std::string_view key, const std::string& value, std::size_t limit) {
  return value.empty() ? "" : std::string(lead) + yamlText(key, clipped(value, limit));
}

std::string handoffYaml(const Handoff& handoff, std::string_view lead, std::size_t limit) {
  return indented(lead, "attempted", handoff.attempted, limit) + indented(lead, "changed", handoff.changed, limit) +
         indented(lead, "remains", handoff.remains, limit) + indented(lead, "failed", handoff.failed, limit) +
         indented(lead, "next", handoff.next, limit);
}

std::string runYaml(const RunRecord& run) {
  return "  - " + yamlNumber("epoch", run.epoch) + indented("    ", "holder", run.holder, kMaxRunField) + "    " +
         yamlText("ended", formatUtc(run.ended)) + indented("    ", "verdict", run.verdict, kMaxRunField) +
         indented("    ", "reason", run.reason, kMaxRunField) + handoffYaml(run.handoff, "    ", kMaxRunField);
}

std::string runsYaml(const std::vector<RunRecord>& runs) {
  std::string yaml = "runs:\n";
  const std::size_t first = runs.size() > kMaxRuns ? runs.size() - kMaxRuns : 0;
  for (std::size_t i = first; i < runs.size(); ++i) yaml += runYaml(runs[i]);
  return yaml;
}

std::optional<std::string> unless(bool absent, std::string yaml) {
  return absent ? std::nullopt : std::optional(std::move(yaml));
}

std::optional<std::string> textOrNone(std::string_view key, const std::string& value) {
  return unless(value.empty(), yamlText(key, value));
}

std::optional<std::string> timeOrNone(std::string_view key, const std::optional<Timestamp>& time) {
  return time ? std::optional(yamlText(key, formatUtc(*time))) : std::nullopt;
}

std::vector<std::string> textsOf(const std::vector<TaskId>& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (const TaskId& id : ids) texts.push_back(id.str());
  return texts;
}

// Every field of ours as it is to be written, in the order of a new file; none: a field that says nothing.
Changes fieldsOf(const Task& task) {
  const std::string handoff = task.handoff ? handoffYaml(*task.handoff, "  ", kMaxHandoffField) : "";
  return {
      {"id", yamlText("id", task.id.str())},
      {"title", yamlText("title", task.title)},
      {"status", yamlText("status", directoryOf(task.status))},
      {"priority", yamlText("priority", nameOf(task.priority))},
      {"created_by", textOrNone("created_by", task.createdBy)},
      {"assigned_to", textOrNone("assigned_to", task.assignedTo)},
      {"product", textOrNone("product", task.product)},
      {"tags", unless(task.tags.empty(), yamlList("tags", task.tags))},
      {"depends_on", unless(task.dependsOn.empty(), yamlList("depends_on", textsOf(task.dependsOn)))},
      {"created", yamlText("created", formatUtc(task.created))},
      {"created_at", yamlText("created_at", formatUtc(task.created))},
      {"not_before", timeOrNone("not_before", task.notBefore)},
      {"deadline", timeOrNone("deadline", task.deadline)},
      {"attempts", yamlNumber("attempts", task.attempts)},
      {"attempt", unless(task.attempt == 0, yamlNumber("attempt", task.attempt))},
      {"idempotency_key", textOrNone("idempotency_key", task.idempotencyKey)},
      {"verify", unless(task.verify.empty(), yamlList("verify", task.verify))},
      {"promotable", unless(task.promotable, "promotable: false\n")},
      {"promoted_by", textOrNone("promoted_by", task.promotedBy)},
      {"promoted_at", timeOrNone("promoted_at", task.promotedAt)},
      {"claimed_by", textOrNone("claimed_by", task.claimedBy)},
      {"epoch", unless(task.epoch == 0, yamlNumber("epoch", task.epoch))},
      {"outcome", textOrNone("outcome", task.outcome)},
      {"artifacts", unless(task.artifacts.empty(), yamlList("artifacts", task.artifacts))},
      {"handoff", unless(handoff.empty(), "handoff:\n" + handoff)},
      {"runs", unless(task.runs.empty(), runsYaml(task.runs))},
  };
}

// What the file says in its status field, which parseTask leaves to the directory.
std::string statusField(const FrontMatter& record) {
  const YamlNode* node = record.root().find("status");
  return node == nullptr ? "" : node->scalar;
}

// The fields that must be written: those that say something else now, or are missing though they never should be.
Changes changesBetween(const FrontMatter& record, const Task& before, const Task& after) {
  Changes changed;
  const Changes old = fieldsOf(before), wanted = fieldsOf(after);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::string& key = wanted[i].key;
    const bool isStatus = key == "status";
    const bool isCreated = key == "created" || key == "created_at";
    const bool same = isStatus ? statusField(record) == directoryOf(after.status) : old[i].yaml == wanted[i].yaml;
    const bool missing = isCreated && record.root().find(key) == nullptr;
    if (!same || missing) changed.push_back(wanted[i]);
  }
  return changed;
}

}  // namespace

Result<std::string> renderTask(const Task& task, std::string_view previousText) {
  if (previousText.empty()) {
    std::string text = "---\n";
    for (const auto& field : fieldsOf(task)) text += field.yaml.value_or("");
    return text + "---\n" + task.body;
  }
  AGENTOS_TRY(const FrontMatter record, FrontMatter::parse(previousText, task.id.str() + ".md"));
  AGENTOS_TRY(const Task before, parseTask(previousText, task.id, task.status));
  std::string text = record.rewritten(changesBetween(record, before, task));
  if (before.body != task.body) text.replace(text.size() - record.body().size(), std::string::npos, task.body);
  return text;
}

}  // namespace agentos::company
