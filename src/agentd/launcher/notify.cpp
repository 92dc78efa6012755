// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/notify.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "base/files.h"
#include "base/text.h"
#include "sandbox/service_manager.h"

namespace agentos::agentd {
namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr std::uint64_t kBusPatience = 2'000'000;  // µs

struct FreeText {
  void operator()(char* text) const { std::free(text); }  // NOLINT(cppcoreguidelines-no-malloc): sd-bus's own words
};
using Text = std::unique_ptr<char, FreeText>;
struct CloseBus {
  void operator()(sd_bus* bus) const { ::sd_bus_flush_close_unref(bus); }
};
struct DropMessage {
  void operator()(sd_bus_message* message) const { ::sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, DropMessage>;

// The object of the job on our unit: "" when there is none, nothing when it could not be asked. By pid: what libsystemd
// would find out by itself it reads from /proc/1, which ProtectProc= hides.
std::optional<std::string> jobOf(sd_bus* bus) {
  sd_bus_message* raw = nullptr;
  if (::sd_bus_call_method(bus, kSystemd, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                           "GetUnitByPID", nullptr, &raw, "u", static_cast<std::uint32_t>(::getpid())) < 0)
    return std::nullopt;
  const Message found(raw);
  const char* path = nullptr;
  if (::sd_bus_message_read(found.get(), "o", &path) < 0) return std::nullopt;
  raw = nullptr;
  if (::sd_bus_get_property(bus, kSystemd, path, "org.freedesktop.systemd1.Unit", "Job", nullptr, &raw, "(uo)") < 0)
    return std::nullopt;
  const Message property(raw);
  std::uint32_t id = 0;
  const char* job = nullptr;
  if (::sd_bus_message_read(property.get(), "(uo)", &id, &job) < 0) return std::nullopt;
  return id == 0 ? std::string() : std::string(job);
}

StopCause causeOf(sd_bus* bus) {
  const auto job = jobOf(bus);
  if (!job) return StopCause::kUnknown;
  if (job->empty()) return StopCause::kSignal;
  char* type = nullptr;
  if (::sd_bus_get_property_string(bus, kSystemd, job->c_str(), "org.freedesktop.systemd1.Job", "JobType", nullptr,
                                   &type) < 0)
    return StopCause::kUnknown;
  const Text word(type);
  return std::string(word.get()) == "stop" ? StopCause::kStop : StopCause::kRestart;
}

}  // namespace

void sayReady(const std::string& status) { sandbox::notifyManager("READY=1\nSTATUS=Ready: " + status); }

void sayReloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto micros = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  sandbox::notifyManager("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros) + "\nSTATUS=Reading configuration");
}

void sayStopping(const std::string& status, std::chrono::microseconds patience) {
  sandbox::notifyManager("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(patience.count()) + "\nSTATUS=" + status);
}

void sayAlive() { sandbox::notifyManager("WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdogInterval() {
  std::uint64_t patience = 0;
  if (::sd_watchdog_enabled(0, &patience) <= 0) return std::nullopt;
  return std::chrono::microseconds(patience / 2);
}

std::optional<StopCause> stopCauseFrom(std::string_view text, pid_t self) {
  std::vector<std::string_view> words;
  for (const auto word : split(text.substr(0, text.find('\n')), ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  if (words.size() < 4 || words[0] != std::to_string(self)) return std::nullopt;
  return words[3] == "stop" ? StopCause::kStop : StopCause::kRestart;
}

StopCause askStopCause(const std::string& jobFile) {
  if (std::getenv("NOTIFY_SOCKET") == nullptr)
    return StopCause::kUnmanaged;  // NOLINT(concurrency-mt-unsafe): never set
  const auto said = readPath(jobFile, 4096);
  if (const auto cause = said ? stopCauseFrom(*said, ::getpid()) : std::nullopt) return *cause;
  sd_bus* raw = nullptr;
  if (::sd_bus_open_system(&raw) < 0) return StopCause::kUnknown;
  const std::unique_ptr<sd_bus, CloseBus> bus(raw);
  ::sd_bus_set_method_call_timeout(bus.get(), kBusPatience);
  return causeOf(bus.get());
}

StopAgents agentsAtStop(StopAgents configured, StopCause cause) {
  return cause == StopCause::kUnmanaged || cause == StopCause::kStop ? configured : StopAgents::kKeep;
}

std::string describe(StopCause cause) {
  switch (cause) {
    case StopCause::kUnmanaged:
      return "told to stop";
    case StopCause::kStop:
      return "the unit is stopped";
    case StopCause::kRestart:
      return "the unit is restarted: agents go on";
    case StopCause::kSignal:
      return "a signal without a job of systemd's: agents go on, and the unit comes back";
    case StopCause::kUnknown:
      return "systemd did not say whether this is a stop or a restart (the unit's ExecStop= tells, or D-Bus): agents "
             "go on; "
             "`systemctl stop agentd-agents` ends them";
  }
  return {};
}

}  // namespace agentos::agentd
