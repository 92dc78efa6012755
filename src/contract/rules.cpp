// SPDX-License-Identifier: Apache-2.0
#include "contract/rules.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/units.h"
#include "contract/real_time.h"
#include "contract/shape.h"

namespace agentos::contract {
namespace {

// Places of the room that are the room's own. /workspace, /opt, /srv, /mnt, /data and other homes are free.
constexpr std::array<std::string_view, 16> kRoomPlaces = {
    "/usr", "/etc", "/bin", "/sbin", "/lib",     "/lib32",   "/lib64",   "/proc",
    "/sys", "/dev", "/run", "/tmp",  "/company", "/runtime", "/context", "/home/agent"};

bool isWithin(std::string_view path, std::string_view place) {
  return path == place || (path.starts_with(place) && path[place.size()] == '/');
}

class Rules {
 public:
  Rules(const Reading& reading, const Report& report)
      : reading_(reading), contract_(reading.contract), report_(report) {}

  void checkAll() {
    realTimeNeedsProgram();
    realTimeIsHard();
    realTimeFits();
    programIsAbsolute("run.command", contract_.run.command);
    programIsAbsolute("health.exec", contract_.health.exec);
    oneClock();
    jitterFitsInterval();
    onlyCyclesAreScheduled();
    openNetworkHasReason();
    openNetworkHasNoList();
    mountsKeepClear();
    mountsKeepApart();
    capsGrow();
    memoryFitsContext();
    scratchFitsDisk();
    slowedBeforeEnded();
    nobodyAboveOrBeforeItself();
    childrenAreNamedAndCounted();
  }

 private:
  bool written(const std::string& path) const { return reading_.places.contains(path) && !isBroken(path); }
  bool isBroken(const std::string& path) const { return reading_.broken.contains(path); }
  void clash(const std::string& path, std::string what, std::string remedy) const {
    report_(path, ErrorCode::kContractClash, std::move(what), std::move(remedy));
  }
  void missing(const std::string& path, std::string what, std::string remedy) const {
    report_(path, ErrorCode::kContractMissing, std::move(what), std::move(remedy));
  }

  void realTimeNeedsProgram() const {
    if (contract_.latency != LatencyClass::kHrt || !contract_.run.command.empty() || isBroken("run.command")) return;
    missing("class.latency", "HRT without run.command",
            "a program of its own: a language model's word is never in real time; or SRT");
  }

  // Else a number would stand in the file that nobody keeps.
  void realTimeIsHard() const {
    if (contract_.latency == LatencyClass::kHrt || isBroken("class.latency")) return;
    for (const char* path : {"class.slo.runtime_us", "class.slo.deadline_us", "class.slo.period_us"}) {
      if (written(path))
        clash(path, "a reservation of processor time, but class.latency is not HRT", "HRT, or remove it");
    }
  }

  void realTimeFits() const {
    if (contract_.latency != LatencyClass::kHrt) return;
    const Reservation asked = reservationOf(contract_);
    const std::string all = formatReservation(asked);
    if (asked.runtime > asked.deadline && written("class.slo.runtime_us"))
      clash("class.slo.runtime_us", "more than the deadline: " + all, "at most class.slo.deadline_us");
    if (asked.deadline > asked.period && written("class.slo.deadline_us"))
      clash("class.slo.deadline_us", "more than the period: " + all, "at most class.slo.period_us");
    if (asked.runtime > asked.period && !written("class.slo.deadline_us") && written("class.slo.runtime_us"))
      clash("class.slo.runtime_us", "more than the period: " + all, "at most class.slo.period_us");
  }

  void programIsAbsolute(const std::string& path, const std::vector<std::string>& command) const {
    if (command.empty() || command.front().starts_with('/')) return;
    report_(path, ErrorCode::kContractRange, quoted(command.front()) + " is not an absolute path",
            "the program's path in the room, such as /usr/bin/env");
  }

  void oneClock() const {
    if (!contract_.schedule.every || contract_.schedule.cron.empty()) return;
    clash("schedule.cron", "both every and cron", "keep one of them");
  }

  void jitterFitsInterval() const {
    const auto& schedule = contract_.schedule;
    if (!schedule.every || schedule.jitter < *schedule.every) return;
    clash("schedule.jitter",
          formatDuration(schedule.jitter) + " is not less than every (" + formatDuration(*schedule.every) + ")",
          "less than every");
  }

  void onlyCyclesAreScheduled() const {
    if (contract_.run.mode == RunMode::kCycle || isBroken("run.mode")) return;
    for (const char* path : {"schedule.every", "schedule.cron", "schedule.on"}) {
      const bool empty = std::string_view(path) == "schedule.on" && contract_.schedule.on.empty();
      if (!written(path) || empty) continue;
      clash(path, "a schedule, but run.mode is not cycle", "run.mode: cycle, or no schedule");
    }
  }

  void openNetworkHasReason() const {
    if (!contract_.network.unrestricted || !contract_.network.reason.empty() || isBroken("network.reason")) return;
    missing("network.unrestricted", "true without network.reason",
            "say in network.reason why the agent may go anywhere");
  }

  void openNetworkHasNoList() const {
    if (!contract_.network.unrestricted || contract_.network.egress.empty()) return;
    clash("network.egress", "both a list and unrestricted", "keep one of them");
  }

  void mountsKeepClear() const {
    for (std::size_t at = 0; at < contract_.workspace.mounts.size(); ++at) {
      const std::string& target = contract_.workspace.mounts[at].target;
      const bool inPlace =
          std::ranges::any_of(kRoomPlaces, [&](std::string_view place) { return isWithin(target, place); });
      if (!inPlace && target != "/home") continue;
      clash(targetPath(at), quoted(target) + " is the room's own",
            "another place, such as /workspace, /opt/…, /srv/… or /mnt/…");
    }
  }

  void mountsKeepApart() const {
    const auto& mounts = contract_.workspace.mounts;
    for (std::size_t at = 0; at < mounts.size(); ++at) {
      for (std::size_t before = 0; before < at; ++before) {
        const std::string &one = mounts[before].target, &other = mounts[at].target;
        if (one.empty() || other.empty() || (!isWithin(one, other) && !isWithin(other, one))) continue;
        clash(targetPath(at), quoted(other) + " and " + quoted(one) + " lie in one another",
              "targets beside each other");
        break;
      }
    }
  }
  static std::string targetPath(std::size_t at) { return "workspace.mounts[" + std::to_string(at) + "].target"; }

  void capsGrow() const {
    const auto& budget = contract_.budget;
    const std::array<std::pair<const char*, std::optional<MicroUsd>>, 4> caps = {
        {{"budget.per_run_usd", budget.perRun},
         {"budget.per_day_usd", budget.perDay},
         {"budget.per_week_usd", budget.perWeek},
         {"budget.per_month_usd", budget.perMonth}}};
    const std::pair<const char*, std::optional<MicroUsd>>* smaller = nullptr;
    for (const auto& cap : caps) {
      if (!cap.second) continue;
      if (smaller != nullptr && *cap.second < *smaller->second) {
        clash(cap.first,
              formatUsd(*cap.second) + " is less than " + smaller->first + " (" + formatUsd(*smaller->second) + ")",
              "at least as much");
      }
      smaller = &cap;
    }
  }

  void memoryFitsContext() const {
    const auto limit = contract_.modelPolicy.maxContextTokens;
    const std::int64_t needed = contract_.memory.workingTokens + contract_.memory.soulTokens;
    if (!limit || needed <= *limit) return;
    clash("modelPolicy.max_context_tokens",
          std::to_string(*limit) + " is less than memory.working_tokens and memory.soul_tokens together (" +
              std::to_string(needed) + ")",
          "more context, or less memory");
  }

  void scratchFitsDisk() const {
    const auto &scratch = contract_.workspace.scratch, &disk = contract_.compute.disk;
    if (!scratch || !disk || *scratch <= *disk) return;
    clash("workspace.scratch", formatBytes(*scratch) + " is more than compute.disk (" + formatBytes(*disk) + ")",
          "at most compute.disk");
  }

  void slowedBeforeEnded() const {
    const auto &high = contract_.compute.memHigh, &most = contract_.compute.mem;
    if (!high || !most || *high < *most) return;
    clash("compute.mem_high", formatBytes(*high) + " is not less than compute.mem (" + formatBytes(*most) + ")",
          "less than compute.mem: beyond that nothing is slowed down, it is ended");
  }

  void nobodyAboveOrBeforeItself() const {
    const std::string& name = contract_.name.str();
    if (name.empty()) return;
    if (contract_.supervise.parent == name)
      clash("supervise.parent", quoted(name) + " is the agent itself", "another agent");
    if (std::ranges::find(contract_.review.by, name) != contract_.review.by.end()) {
      clash("review.by", quoted(name) + " is the agent itself", "another: nobody accepts their own work");
    }
  }

  void childrenAreNamedAndCounted() const {
    const auto& spawn = contract_.spawn;
    if (!spawn.allow.empty() && spawn.maxChildren == 0 && !isBroken("spawn.max_children")) {
      missing("spawn.allow", "names of children, but spawn.max_children is 0", "say in spawn.max_children how many");
    }
    if (spawn.allow.empty() && spawn.maxChildren > 0 && !isBroken("spawn.allow")) {
      missing("spawn.max_children", "children without spawn.allow", "say in spawn.allow which");
    }
  }

  const Reading& reading_;
  const Contract& contract_;
  const Report& report_;
};

}  // namespace

void checkRules(const Reading& reading, const Report& report) { Rules(reading, report).checkAll(); }

}  // namespace agentos::contract
