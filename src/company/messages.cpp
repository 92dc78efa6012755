// SPDX-License-Identifier: Apache-2.0
#include "company/messages.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/files.h"
#include "base/text.h"
#include "company/front_matter.h"

namespace agentos::company {
namespace {

constexpr std::size_t kMaxBody = std::size_t{256} << 10;
constexpr std::size_t kMaxSubject = 1024;

// Where a recipient's messages lie. The name is parsed here, at the edge: what is no agent name never becomes a path.
Result<std::string> inboxOf(const std::string& recipient) {
  if (recipient == "broadcast") return "agents/messages/broadcast";
  if (recipient == "human") return "agents/messages/human/inbox";
  auto agent = AgentName::parse(recipient);
  if (!agent) {
    return fail(ErrorCode::kIdMalformed, "'" + clipped(recipient, 80) + "' is no recipient",
                "an agent's name, human or broadcast");
  }
  return "agents/messages/" + agent->str() + "/inbox";
}

Result<Fd> processedOf(const Company& company, const std::string& inbox) {
  return company.directory(inbox + "/processed");
}

// Numbers that lie in the inbox or were there once; the inbox is read first, since messages move only from it.
std::uint64_t highestNumber(const std::vector<std::string>& names, const std::string& day) {
  std::uint64_t highest = 0;
  for (const std::string& name : names) {
    if (!name.starts_with(day)) continue;
    std::uint64_t number = 0;
    std::from_chars(name.data() + day.size(), name.data() + name.size(), number);
    highest = std::max(highest, number);
  }
  return highest;
}

std::string render(const Message& message) {
  std::string text = "---\n" + yamlText("id", message.id.str()) + yamlText("from", message.from) +
                     yamlText("to", message.to) + yamlText("subject", message.subject) +
                     yamlText("sent", formatUtc(message.sent));
  if (!message.task.empty()) text += yamlText("task", message.task);
  if (message.urgent) text += "urgent: true\n";
  return text + "---\n" + message.body;
}

Result<Message> parseMessage(std::string_view text, const MessageId& id) {
  AGENTOS_TRY(const FrontMatter record, FrontMatter::parse(text, id.str() + ".md"));
  FieldReader fields(record.root(), id.str() + ".md");
  Message message;
  message.id = id;
  message.from = fields.text("from");
  message.to = fields.text("to");
  message.subject = fields.text("subject");
  message.task = fields.text("task");
  const auto sent = fields.time("sent");
  message.sent = sent ? *sent : fields.time("date").value_or(Timestamp{});
  message.urgent = fields.flag("urgent", false);
  AGENTOS_CHECK(fields.done());
  message.body = record.body();
  return message;
}

Result<void> checkMessage(const Message& message) {
  if (message.body.size() > kMaxBody || message.subject.size() > kMaxSubject) {
    return fail(ErrorCode::kTooLarge, "a message of " + std::to_string(message.body.size()) + " bytes",
                "a subject of at most 1 KiB and a body of at most 256 KiB; put the rest into an artifact");
  }
  if (!isValidUtf8(message.body) || !isValidUtf8(message.subject)) {
    return fail(ErrorCode::kInvalidArgument, "a message that is not UTF-8", "text in UTF-8");
  }
  return {};
}

Result<std::uint64_t> nextNumber(int inbox, int processed, const std::string& day) {
  AGENTOS_TRY(const auto unread, listDirectory(inbox));
  AGENTOS_TRY(const auto read, listDirectory(processed));
  return std::max(highestNumber(unread, day), highestNumber(read, day)) + 1;
}

std::string dailyId(const std::string& day, std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return day + std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

// Malformed mail goes to quarantine and delays nobody; what cannot be read at all stays where it is.
void setAside(const Company& company, int inbox, const std::string& name, const Error& why) {
  if (why.code == ErrorCode::kTaskMalformed || why.code == ErrorCode::kTooLarge ||
      why.code == ErrorCode::kPathEscapes) {
    (void)company.quarantine(inbox, name, why.message());  // ignoring a failure: it is tried again at the next reading
  }
}

Result<Message> loadMessage(int inbox, const std::string& name) {
  AGENTOS_TRY(const MessageId id, MessageId::parse(std::string_view(name).substr(0, name.size() - 3)));
  AGENTOS_TRY(const std::string text, readFile(inbox, name, kMaxRecordBytes));
  return parseMessage(text, id);
}

}  // namespace

Result<MessageId> sendMessage(const Company& company, Message message, Timestamp now) {
  AGENTOS_TRY(const std::string path, inboxOf(message.to));
  AGENTOS_CHECK(checkMessage(message));
  AGENTOS_TRY(const std::string date, localDate(now, company.settings().timezone));
  AGENTOS_TRY(const Fd inbox, company.directory(path));
  AGENTOS_TRY(const Fd processed, processedOf(company, path));
  const std::string day = "msg-" + date.substr(0, 4) + "-" + date.substr(5, 2) + date.substr(8, 2) + "-";
  AGENTOS_TRY(std::uint64_t number, nextNumber(inbox.get(), processed.get(), day));
  message.sent = std::chrono::floor<std::chrono::milliseconds>(now);
  for (;; ++number) {  // of senders that come to the same number at once, one makes the file; the others go on
    AGENTOS_TRY(message.id, MessageId::parse(dailyId(day, number)));
    auto made = createFile(inbox.get(), message.id.str() + ".md", render(message));
    if (made) return message.id;
    if (made.error().code != ErrorCode::kExists) return std::unexpected(std::move(made).error());
  }
}

Result<std::vector<Message>> readInbox(const Company& company, const std::string& recipient) {
  AGENTOS_TRY(const std::string path, inboxOf(recipient));
  AGENTOS_TRY(const Fd inbox, company.directory(path));
  AGENTOS_TRY(const auto names, listDirectory(inbox.get()));
  std::vector<Message> messages;
  for (const std::string& name : names) {
    if (!name.starts_with("msg-") || !name.ends_with(".md")) continue;  // an editor's, or nobody's
    auto message = loadMessage(inbox.get(), name);
    if (message) {
      messages.push_back(*std::move(message));
    } else {
      setAside(company, inbox.get(), name, message.error());
    }
  }
  std::ranges::sort(messages, {}, [](const Message& m) { return std::tuple(m.sent, m.id.str().size(), m.id); });
  return messages;
}

Result<void> markProcessed(const Company& company, const std::string& recipient, const MessageId& id) {
  AGENTOS_TRY(const std::string path, inboxOf(recipient));
  AGENTOS_TRY(const Fd inbox, company.directory(path));
  AGENTOS_TRY(const Fd processed, processedOf(company, path));
  return moveFile(inbox.get(), id.str() + ".md", processed.get(), id.str() + ".md");
}

}  // namespace agentos::company
