// SPDX-License-Identifier: Apache-2.0
#include "company/context.h"

#include <algorithm>
#include <tuple>

#include "base/files.h"
#include "base/text.h"
#include "company/front_matter.h"
#include "company/messages.h"

namespace agentos::company {
namespace {

constexpr std::int64_t kBytesPerToken = 4;
constexpr std::int64_t kValuesTokens = 500, kIdentityTokens = 500, kFocusTokens = 500, kThreadTokens = 1000,
                       kInboxTokens = 2000, kBroadcastTokens = 1000, kFailureTokens = 500;
constexpr std::size_t kNoteBytes = 160;  // room for one layer's note of what was cut
constexpr std::size_t kMostFailures = 5, kMostFailedFiles = 50, kMostThreads = 10;
constexpr auto kBroadcastAge = std::chrono::hours(48);

std::string tokens(std::size_t bytes) {
  return std::to_string((bytes + kBytesPerToken - 1) / kBytesPerToken) + " tokens";
}

std::size_t wholeCharacters(std::string_view text, std::size_t limit) {
  std::size_t end = std::min(limit, text.size());
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

// Puts the layers one after the other and keeps the account: what the task needs is set aside from the beginning.
class Composer {
 public:
  Composer(std::int64_t maxTokens, std::size_t taskBytes)
      : limit_(static_cast<std::size_t>(std::max<std::int64_t>(maxTokens, 0) * kBytesPerToken)),
        reserved_(std::min(taskBytes + kNoteBytes, limit_ / 2)) {}

  void text(const std::string& name, const std::string& heading, std::string_view words, std::int64_t capTokens) {
    if (trim(words).empty()) return;
    put(name, "## " + heading + "\n\n", std::string(trim(words)) + "\n\n",
        static_cast<std::size_t>(capTokens * kBytesPerToken));
  }
  // Whole entries only, as many as fit.
  void list(const std::string& name, const std::string& heading, const std::vector<std::string>& entries,
            std::int64_t capTokens) {
    if (entries.empty()) return;
    const std::string head = "## " + heading + "\n\n";
    const std::size_t cap = std::min(static_cast<std::size_t>(capTokens * kBytesPerToken), room(head.size()));
    std::string words;
    std::size_t shown = 0;
    while (shown < entries.size() && words.size() + entries[shown].size() <= cap) words += entries[shown++];
    if (shown < entries.size()) {
      words += note(name + ": " + std::to_string(entries.size() - shown) + " of " + std::to_string(entries.size()) +
                    " left out");
    }
    append(head + words + "\n");
  }
  void task(const std::string& words) {
    reserved_ = 0;
    put("task", "## Your task\n\n", words, limit_);
  }
  void unreadable(const std::string& name, const Error& error) {
    append(note(clipped(name + ": cannot be read: " + error.message(), kNoteBytes)) + "\n");
  }
  void plain(const std::string& words) { append(words); }

  Context finish() && {
    // Notes may pass a limit that is smaller than they are; nothing else does.
    context_.text.resize(wholeCharacters(context_.text, limit_));
    return std::move(context_);
  }

 private:
  std::size_t room(std::size_t heading) const {
    const std::size_t used = context_.text.size() + reserved_ + kNoteBytes + heading;
    return used >= limit_ ? 0 : limit_ - used;
  }
  std::string note(const std::string& what) {
    context_.cut.push_back(what);
    return "[cut: " + what + "]\n";
  }
  void put(const std::string& name, const std::string& heading, const std::string& words, std::size_t cap) {
    const std::size_t end = wholeCharacters(words, std::min(cap, room(heading.size())));
    if (end == words.size()) return append(heading + words);
    append(heading + words.substr(0, end) + "\n" + note(name + ": " + tokens(words.size() - end) + " left out") + "\n");
  }
  void append(const std::string& words) { context_.text += words; }

  std::size_t limit_, reserved_;
  Context context_;
};

// A layer's file: empty when it is missing.
Result<std::string> layerFile(const Company& company, const std::string& path) {
  auto text = readFile(company.rootFd(), path);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

void addFile(Composer& composer, const Company& company, const std::string& name, const std::string& heading,
             const std::string& path, std::int64_t cap) {
  const auto text = layerFile(company, path);
  if (text) {
    composer.text(name, heading, *text, cap);
  } else {
    composer.unreadable(name, text.error());
  }
}

std::string field(const std::string& name, const std::string& value) {
  return value.empty() ? "" : "- " + name + ": " + value + "\n";
}

std::string handoffText(const Handoff& handoff) {
  return field("attempted", handoff.attempted) + field("changed", handoff.changed) + field("remains", handoff.remains) +
         field("failed", handoff.failed) + field("next", handoff.next);
}

std::string taskText(const Task& task) {
  std::string text = "# " + task.title + "\n\n" + field("id", task.id.str()) +
                     field("priority", std::string(nameOf(task.priority))) + field("product", task.product) +
                     field("from", task.createdBy);
  if (task.deadline) text += field("deadline", formatUtc(*task.deadline));
  text += field("attempt", std::to_string(task.attempt + 1) + " of " + std::to_string(task.attempts));
  for (const std::string& name : task.verify) text += field("to be verified", name);
  text += "\n" + std::string(trim(task.body)) + "\n\n";
  if (task.handoff) text += "### What the last run left\n\n" + handoffText(*task.handoff) + "\n";
  if (!task.runs.empty()) text += "### Earlier runs\n\n";
  for (const RunRecord& run : task.runs) {
    text += "- " + formatUtc(run.ended) + " " + run.verdict + " (" + run.holder + ")" +
            (run.reason.empty() ? "" : ": " + run.reason) + "\n";
  }
  return text;
}

std::string messageText(const Message& message) {
  return "### " + (message.urgent ? std::string("URGENT: ") : std::string()) + message.subject + "\n\n" +
         field("id", message.id.str()) + field("from", message.from) + field("sent", formatUtc(message.sent)) +
         field("task", message.task) + "\n" + std::string(trim(message.body)) + "\n\n";
}

Result<void> addInbox(Composer& composer, const Company& company, const AgentName& agent) {
  AGENTOS_TRY(auto messages, readInbox(company, agent.str()));
  std::ranges::sort(messages, {},
                    [](const Message& m) { return std::tuple(!m.urgent, m.sent, m.id.str().size(), m.id); });
  std::vector<std::string> entries;
  entries.reserve(messages.size());
  for (const Message& message : messages) entries.push_back(messageText(message));
  composer.list("inbox", "Your inbox", entries, kInboxTokens);
  return {};
}

Result<void> addBroadcasts(Composer& composer, const Company& company, Timestamp now) {
  AGENTOS_TRY(const auto messages, readInbox(company, "broadcast"));
  std::vector<std::string> entries;
  for (const Message& message : messages) {
    if (message.sent + kBroadcastAge > now) entries.push_back(messageText(message));
  }
  composer.list("broadcasts", "Broadcasts of the last 48 hours", entries, kBroadcastTokens);
  return {};
}

// A thread is its participants'; one that names none is everybody's.
std::string threadText(const Company& company, const std::string& name, const AgentName& agent) {
  const auto text = readFile(company.rootFd(), "agents/messages/threads/" + name);
  const auto record = text ? FrontMatter::parse(*text, name) : Result<FrontMatter>(std::unexpected(text.error()));
  if (!record) return {};
  FieldReader fields(record->root(), name);
  const auto participants = fields.list("participants");
  if (!participants.empty() && std::ranges::find(participants, agent.str()) == participants.end()) return {};
  const std::string title = fields.text("subject").empty() ? fields.text("title") : fields.text("subject");
  return "### " + (title.empty() ? name : title) + "\n\n" + std::string(trim(record->body())) + "\n\n";
}

Result<void> addThreads(Composer& composer, const Company& company, const AgentName& agent) {
  AGENTOS_TRY(const Fd directory, company.directory("agents/messages/threads"));
  AGENTOS_TRY(auto names, listDirectory(directory.get()));
  std::vector<std::string> entries;
  for (auto name = names.rbegin(); name != names.rend() && entries.size() < kMostThreads; ++name) {
    if (name->starts_with('.') || !name->ends_with(".md")) continue;
    auto text = threadText(company, *name, agent);
    if (!text.empty()) entries.push_back(std::move(text));
  }
  composer.list("threads", "Open threads", entries, kThreadTokens);
  return {};
}

bool concerns(const Task& task, const AgentName& agent) {
  if (task.runs.empty()) return !task.assignedTo.empty() && isAssignedTo(task.assignedTo, agent);
  const auto holder = InstanceId::parse(task.runs.back().holder);
  return holder && agentOf(*holder) == agent.str();
}

Result<void> addFailures(Composer& composer, const Company& company, const AgentName& agent) {
  AGENTOS_TRY(const auto names, listDirectory(company.tasksFd(TaskStatus::kFailed)));
  std::vector<std::string> entries;
  std::size_t looked = 0;
  for (auto name = names.rbegin(); name != names.rend() && entries.size() < kMostFailures; ++name) {
    if (!name->ends_with(".md")) continue;
    const auto id = TaskId::parse(std::string_view(*name).substr(0, name->size() - 3));
    if (!id || ++looked > kMostFailedFiles) continue;
    const auto text = readFile(company.tasksFd(TaskStatus::kFailed), *name, kMaxRecordBytes);
    const auto task = text ? parseTask(*text, *id, TaskStatus::kFailed) : Result<Task>(std::unexpected(text.error()));
    if (!task || !concerns(*task, agent)) continue;
    const std::string why = task->runs.empty() ? "" : task->runs.back().reason;
    entries.push_back("- " + id->str() + " " + task->title + (why.empty() ? "" : ": " + clipped(why, 300)) + "\n");
  }
  composer.list("recent failures", "Recent failures", entries, kFailureTokens);
  return {};
}

Result<std::string> preamble(const Company& company, const ContextInput& input, Timestamp now) {
  AGENTOS_TRY(const std::string local, formatLocal(now, company.settings().timezone));
  return "# " + input.agent.str() + " at " + company.settings().name + "\n\nYou are " + input.agent.str() +
         (input.role.empty() ? "" : ", the company's " + input.role) + ". It is " + local + " (" +
         company.settings().timezone + "). What follows is what you know; what was left out is marked [cut: …].\n\n";
}

}  // namespace

Result<Context> composeContext(const Company& company, const ContextInput& input, Timestamp now) {
  const std::string task = input.task ? taskText(*input.task) : "";
  const std::string state = "agents/state/" + input.agent.str() + "/";
  Composer composer(input.maxTokens, task.size());
  AGENTOS_TRY(const std::string opening, preamble(company, input, now));
  composer.plain(opening);
  addFile(composer, company, "values", "Values", "identity/values.md", kValuesTokens);
  addFile(composer, company, "soul", "Who you are", state + "soul.md", input.soulTokens);
  addFile(composer, company, "identity", "Principles", "identity/principles.md", kIdentityTokens);
  addFile(composer, company, "working memory", "Your working memory", state + "working-memory.md", input.workingTokens);
  addFile(composer, company, "current focus", "Current focus", "strategy/current-focus.md", kFocusTokens);
  AGENTOS_CHECK(addThreads(composer, company, input.agent));
  AGENTOS_CHECK(addInbox(composer, company, input.agent));
  AGENTOS_CHECK(addBroadcasts(composer, company, now));
  AGENTOS_CHECK(addFailures(composer, company, input.agent));
  if (!task.empty()) composer.task(task);
  return std::move(composer).finish();
}

}  // namespace agentos::company
