// SPDX-License-Identifier: Apache-2.0
#include "agentd/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/journal.h"
#include "base/json.h"
#include "govern/line.h"

namespace agentos::agentd {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string>>;

// The fields of the line that is being logged: spdlog's messages have none. A logger here is synchronous, so its sink
// sees those of the very call.
thread_local const Fields* currentFields = nullptr;
std::atomic<std::uint64_t> lostLines = 0;
std::atomic<const char*> formatName = "text";

std::string_view priorityOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return "2";
    case spdlog::level::err:
      return "3";
    case spdlog::level::warn:
      return "4";
    case spdlog::level::info:
      return "6";
    default:
      return "7";
  }
}

spdlog::level::level_enum levelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
    case LogLevel::kNotice:  // spdlog has no such level: an info, with the PRIORITY of a notice among its fields
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kCritical:
      return spdlog::level::critical;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

std::string_view textOf(const spdlog::string_view_t& text) { return {text.data(), text.size()}; }

Fields aboutInstance(const std::string& instance, std::string_view agent) {
  return {{"AGENT_ID", instance}, {"AGENT_RUN_ID", instance}, {"AGENT_NAME", std::string(agent)}};
}

// Those that were given with the line, or what its beginning says: "maker.k3x7q2: …" is about that instance.
Fields fieldsOf(std::string_view message) {
  if (currentFields != nullptr) return *currentFields;
  const InstanceId id = instanceOfLine(message);
  return id.empty() ? Fields{} : aboutInstance(id.str(), agentOf(id));
}

// The message as a JSON string: %v of a JSON pattern would let a quotation mark break the line. Then the fields.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    std::string text = dumpJson(std::string(textOf(message.payload)));
    for (const auto& [name, value] : fieldsOf(textOf(message.payload))) {
      if (!value.empty()) text += ",\"" + std::string(name) + "\":" + dumpJson(value);
    }
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

class TextMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string text = harmlessLog(textOf(message.payload));
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<TextMessage>(); }
};

class JournalSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit JournalSink(const std::string& path) : socket_(path) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const Fields fields = fieldsOf(textOf(message.payload));
    if (unsaid_ > 0 &&
        send(spdlog::level::warn, std::to_string(unsaid_) + " lines were lost: the journal was absent or full",
             {{"MESSAGE_ID", std::string(eventKind("agentd.log_lost").messageId)}})) {
      unsaid_ = 0;
    }
    if (send(message.level, textOf(message.payload), fields)) return;
    ++unsaid_;
    ++lostLines;
  }
  void flush_() override {}

 private:
  bool send(spdlog::level::level_enum level, std::string_view message, const Fields& fields) {
    const std::string text = harmlessLog(message);
    std::vector<JournalField> entry{{"MESSAGE", text}, {"SYSLOG_IDENTIFIER", "agentd"}};
    std::string_view priority = priorityOf(level);
    for (const auto& [name, value] : fields) {
      if (name == "PRIORITY") {
        priority = value;
      } else {
        entry.push_back({name, value});
      }
    }
    entry.push_back({"PRIORITY", priority});
    return socket_.send(journalEntry(entry));
  }
  JournalSocket socket_;
  std::uint64_t unsaid_ = 0;
};

bool isSocket(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

// Closed, or /dev/null: nobody would read a text there.
bool stderrIsNowhere() {
  struct stat status{};
  if (::fstat(STDERR_FILENO, &status) != 0) return true;
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

LogFormat chosen(LogFormat format, const std::string& journalSocket) {
  if (format != LogFormat::kAuto) return format;
  const bool journal = isSocket(journalSocket) && (stderrIsJournal() || stderrIsNowhere());
  return journal ? LogFormat::kJournal : LogFormat::kText;
}

std::unique_ptr<spdlog::pattern_formatter> formatterFor(LogFormat format) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  if (format == LogFormat::kJson) {
    formatter->add_flag<JsonMessage>('*');
    formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","part":"%n","pid":%P,"message":%*})");
  } else {
    formatter->add_flag<TextMessage>('*');
    formatter->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %n[%P] %l: %*");
  }
  return formatter;
}

void logWith(const EventKind& kind, Fields fields, std::string_view message) {
  if (!kind.messageId.empty()) fields.emplace_back("MESSAGE_ID", kind.messageId);
  fields.emplace_back("AGENTD_EVENT", kind.kind);
  if (kind.level == LogLevel::kNotice) fields.emplace_back("PRIORITY", "5");
  currentFields = &fields;
  spdlog::log(levelOf(kind.level), "{}", message);
  currentFields = nullptr;
}

}  // namespace

void startLogging(const std::string& part, LogFormat format, const std::string& level,
                  const std::string& journalSocket) {
  format = chosen(format, journalSocket);
  formatName = format == LogFormat::kJournal ? "journal" : format == LogFormat::kJson ? "json" : "text";
  spdlog::sink_ptr sink;
  if (format == LogFormat::kJournal) {
    sink = std::make_shared<JournalSink>(journalSocket);
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_formatter(formatterFor(format));
  }
  auto logger = std::make_shared<spdlog::logger>(part, std::move(sink));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void logEvent(const govern::AuditEntry& entry) {
  const auto& event = entry.event;
  const EventKind kind = kindOf(event);
  if (!spdlog::should_log(levelOf(kind.level))) return;
  Fields fields = aboutInstance(event.instance, event.agent);
  fields.emplace_back("TASK_ID", event.task);
  fields.emplace_back("AGENTD_SEQ", std::to_string(entry.sequence));
  fields.emplace_back("AGENTD_ACTOR", event.actor);
  fields.emplace_back("AGENTD_CONTRACT", event.contract);
  fields.emplace_back("AGENTD_TRACE", event.trace);
  if (event.data.is_object() && !event.data.empty()) fields.emplace_back("AGENTD_DATA", dumpJson(event.data));
  for (auto& [name, value] : fields) value = harmlessLine(value);
  logWith(kind, std::move(fields), agentd::textOf(event));
}

void logAs(std::string_view kind, std::string_view message) {
  const EventKind known = eventKind(kind);
  logWith(known, {}, message.empty() ? known.words : message);
}

LogState logState() { return {formatName.load(), lostLines.load()}; }

}  // namespace agentos::agentd
