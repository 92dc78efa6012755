// SPDX-License-Identifier: Apache-2.0
#include "sandbox/exit_record.h"

#include <concepts>
#include <limits>
#include <utility>

namespace agentos::sandbox {
namespace {

constexpr int kVersion = 1;

// Takes the fields of one object, and keeps the first thing that is wrong.
class Fields {
 public:
  Fields(const Json& object, std::string name) : object_(object), name_(std::move(name)) {
    if (!object.is_object()) problem_ = name_ + " is not an object";
  }

  template <std::integral Number>
  Number number(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return 0;
    if (!fits<Number>(*value)) return refuse(key, "a whole number in its range"), Number{0};
    return value->get<Number>();
  }
  std::uint64_t numberOrNone(const char* key) { return object_.contains(key) ? number<std::uint64_t>(key) : 0; }
  std::optional<int> optional(const char* key) {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return number<int>(key);
  }
  bool boolean(const char* key) {
    const Json* value = find(key);
    if (value != nullptr && !value->is_boolean()) refuse(key, "true or false");
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }
  std::string text(const char* key) {
    const Json* value = find(key);
    if (value != nullptr && !value->is_string()) refuse(key, "a string");
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_array()) return refuse(key, "a list of strings"), out;
    for (const Json& item : *value) {
      if (!item.is_string()) return refuse(key, "a list of strings"), out;
      out.push_back(item.get<std::string>());
    }
    return out;
  }
  // The object under the key; null when it is not there.
  const Json& child(const char* key) {
    static const Json kNone;
    const Json* value = find(key);
    return value == nullptr ? kNone : *value;
  }
  void refuse(const char* key, const char* right) {
    if (problem_.empty()) problem_ = name_ + "." + key + " is not " + right;
  }
  Result<void> result() const {
    if (problem_.empty()) return {};
    return fail(ErrorCode::kInvalidArgument, problem_, "the record as it was written, whole");
  }

 private:
  const Json* find(const char* key) {
    if (!problem_.empty()) return nullptr;
    auto found = object_.find(key);
    if (found != object_.end()) return &*found;
    problem_ = name_ + "." + key + " is missing";
    return nullptr;
  }
  template <std::integral Number>
  static bool fits(const Json& value) {
    if (value.is_number_unsigned()) return std::in_range<Number>(value.get<std::uint64_t>());
    return value.is_number_integer() && std::in_range<Number>(value.get<std::int64_t>());
  }
  const Json& object_;
  std::string name_;
  std::string problem_;
};

void checkVersion(Fields& fields) {
  if (fields.number<int>("version") != kVersion) fields.refuse("version", "1");
}

}  // namespace

Result<ExitRecord> parseExitRecord(std::string_view text) {
  AGENTOS_TRY(const Json json, parseJson(text));
  Fields fields(json, "exit record");
  checkVersion(fields);
  ExitRecord record;
  record.code = fields.optional("code");
  record.signal = fields.optional("signal");
  record.coreDumped = fields.boolean("core_dumped");
  record.execFailed = fields.boolean("exec_failed");
  record.detail = fields.text("detail");
  record.startedNs = fields.number<std::int64_t>("started_ns");
  record.endedNs = fields.number<std::int64_t>("ended_ns");
  record.ranNs = fields.number<std::int64_t>("ran_ns");
  record.cpuUsec = fields.number<std::uint64_t>("cpu_usec");
  record.memoryPeak = fields.number<std::uint64_t>("memory_peak");
  record.oomKills = fields.number<std::uint64_t>("oom_kills");
  // An agent-init of an earlier version does not say them.
  record.memoryHigh = fields.numberOrNone("memory_high");
  record.pidsRefused = fields.numberOrNone("pids_refused");
  record.throttledUsec = fields.numberOrNone("throttled_usec");
  if (record.code && record.signal) fields.refuse("code", "null beside a signal");
  AGENTOS_CHECK(fields.result());
  return record;
}

Json exitRecordJson(const ExitRecord& record) {
  auto orNull = [](const std::optional<int>& value) { return value ? Json(*value) : Json(nullptr); };
  return Json{{"version", kVersion},
              {"code", orNull(record.code)},
              {"signal", orNull(record.signal)},
              {"core_dumped", record.coreDumped},
              {"exec_failed", record.execFailed},
              {"detail", record.detail},
              {"started_ns", record.startedNs},
              {"ended_ns", record.endedNs},
              {"ran_ns", record.ranNs},
              {"cpu_usec", record.cpuUsec},
              {"memory_peak", record.memoryPeak},
              {"oom_kills", record.oomKills},
              {"memory_high", record.memoryHigh},
              {"pids_refused", record.pidsRefused},
              {"throttled_usec", record.throttledUsec}};
}

Result<LaunchFacts> parseLaunchFacts(std::string_view line) {
  AGENTOS_TRY(const Json json, parseJson(line));
  Fields fields(json, "launch facts");
  checkVersion(fields);
  Fields identity(fields.child("identity"), "identity"), enforcement(fields.child("enforcement"), "enforcement");
  AGENTOS_CHECK(fields.result());
  LaunchFacts facts;
  facts.identity.pid = identity.number<std::int32_t>("pid");
  facts.identity.startTicks = identity.number<std::uint64_t>("start_ticks");
  facts.identity.bootId = identity.text("boot_id");
  facts.identity.cgroupInode = identity.number<std::uint64_t>("cgroup_inode");
  facts.identity.slot = identity.number<std::uint32_t>("slot");
  AGENTOS_CHECK(identity.result());
  facts.enforcement.enforced = enforcement.texts("enforced");
  facts.enforcement.substituted = enforcement.texts("substituted");
  facts.enforcement.missing = enforcement.texts("missing");
  AGENTOS_CHECK(enforcement.result());
  return facts;
}

std::string formatLaunchFacts(const LaunchFacts& facts) {
  const auto& [identity, enforcement] = facts;
  return dumpJson(Json{{"version", kVersion},
                       {"identity",
                        {{"pid", identity.pid},
                         {"start_ticks", identity.startTicks},
                         {"boot_id", identity.bootId},
                         {"cgroup_inode", identity.cgroupInode},
                         {"slot", identity.slot}}},
                       {"enforcement",
                        {{"enforced", enforcement.enforced},
                         {"substituted", enforcement.substituted},
                         {"missing", enforcement.missing}}}});
}

}  // namespace agentos::sandbox
