// SPDX-License-Identifier: Apache-2.0
#include "govern/line.h"

#include <chrono>
#include <utility>

#include "base/digest.h"

namespace agentos::govern {
namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMaxDepth = 128;  // data comes from documents of at most 64, a few levels down

void addText(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

// The line without its own hash, in the two parts that the hash goes between: "hash" sorts right after "data", which is
// always there, and before "kind".
Json membersUpToData(const AuditEntry& entry) {
  Json part = Json::object();
  addText(part, "actor", entry.event.actor);
  addText(part, "agent", entry.event.agent);
  addText(part, "contract", entry.event.contract);
  part["data"] = entry.event.data;
  return part;
}

Json membersAfterHash(const AuditEntry& entry) {
  Json part = {{"kind", entry.event.kind},
               {"prev", entry.previous},
               {"seq", entry.sequence},
               {"time", formatUtc(entry.time)},
               {"v", kVersion}};
  addText(part, "instance", entry.event.instance);
  addText(part, "task", entry.event.task);
  addText(part, "trace", entry.event.trace);
  return part;
}

// Bytes that are no UTF-8 come from file names and request lines; an event about them must not be lost for it.
Result<std::string> canonicalOrMended(const Json& value) {
  auto text = canonicalJson(value);
  if (text) return text;
  AGENTOS_TRY(auto mended, parseJson(dumpJson(value)));
  return canonicalJson(mended);
}

std::string textAt(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<AuditEntry> entryOf(const Json& object) {
  AuditEntry entry;
  auto sequence = object.find("seq");
  auto data = object.find("data");
  if (sequence == object.end() || !sequence->is_number_unsigned() || data == object.end()) {
    return fail(ErrorCode::kAuditBroken, "a line without seq or data");
  }
  entry.sequence = sequence->get<std::uint64_t>();
  AGENTOS_TRY(entry.time, parseTimestamp(textAt(object, "time")));
  entry.previous = textAt(object, "prev");
  entry.hash = textAt(object, "hash");
  entry.event = {.kind = textAt(object, "kind"),
                 .actor = textAt(object, "actor"),
                 .agent = textAt(object, "agent"),
                 .instance = textAt(object, "instance"),
                 .task = textAt(object, "task"),
                 .contract = textAt(object, "contract"),
                 .trace = textAt(object, "trace"),
                 .data = *data};
  return entry;
}

}  // namespace

std::string zeroHash() { return std::string(64, '0'); }

Result<std::string> renderLine(AuditEntry& entry) {
  if (!entry.event.data.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                "the data of event \"" + entry.event.kind + "\" is " + entry.event.data.type_name(), "give an object");
  }
  AGENTOS_TRY(std::string head, canonicalOrMended(membersUpToData(entry)));
  AGENTOS_TRY(std::string tail, canonicalOrMended(membersAfterHash(entry)));
  head.back() = ',';  // {…}  →  {…,
  tail.erase(0, 1);   // {…}  →  …}
  entry.hash = sha256(head + tail);
  std::string line = head + "\"hash\":\"" + entry.hash + "\"," + tail + '\n';
  if (line.size() > kMaxLine) {
    return fail(ErrorCode::kTooLarge,
                "event \"" + entry.event.kind + "\" takes " + std::to_string(line.size()) + " bytes",
                "a line of the audit log holds at most " + std::to_string(kMaxLine));
  }
  return line;
}

Result<AuditEntry> parseLine(std::string_view line) {
  AGENTOS_TRY(Json object, parseJson(line, kMaxDepth));
  if (!object.is_object()) return fail(ErrorCode::kAuditBroken, "a line that is no object");
  AGENTOS_TRY(AuditEntry entry, entryOf(object));
  AuditEntry again = entry;
  AGENTOS_TRY(std::string rendered, renderLine(again));
  rendered.pop_back();
  if (rendered != line)
    return fail(ErrorCode::kAuditBroken, "event " + std::to_string(entry.sequence) + " was changed");
  return entry;
}

Json toJson(const AuditEntry& entry) {
  Json object = membersAfterHash(entry);
  object.update(membersUpToData(entry));
  object["hash"] = entry.hash;
  return object;
}

}  // namespace agentos::govern
