// SPDX-License-Identifier: Apache-2.0
// applyLimits of cgroup.h: one function a limit.
#include <unistd.h>

#include "base/text.h"
#include "sandbox/cgroup.h"

namespace agentos::sandbox {
namespace {

// agent-init and the page cache of the logs that it writes.
constexpr std::string_view kSupMemory = "33554432";
constexpr std::string_view kSupPids = "8";

class LimitWriter {
 public:
  LimitWriter(int pay, const std::set<std::string>& controllers, Enforcement& said)
      : pay_(pay), controllers_(controllers), said_(said) {}

  // The value, read back; what the kernel did not take as it was written is an error.
  Result<void> hold(const char* file, const std::string& value) {
    AGENTOS_CHECK(writeGroupFile(pay_, file, value));
    AGENTOS_TRY(auto back, readGroupFile(pay_, file));
    auto line = trim(split(back, '\n').front());
    if (line != value) {
      return fail(ErrorCode::kSandboxCgroup,
                  std::string(file) + " reads \"" + std::string(line) + "\" after writing \"" + value + "\"");
    }
    said_.enforced.push_back(std::string(file) + "=" + value);
    return {};
  }

  // The same for a file with a line a disk.
  Result<void> holdLine(const char* file, const std::string& line) {
    AGENTOS_CHECK(writeGroupFile(pay_, file, line));
    AGENTOS_TRY(auto back, readGroupFile(pay_, file));
    for (auto one : split(back, '\n')) {
      if (trim(one) != line) continue;
      said_.enforced.push_back(std::string(file) + "=" + line);
      return {};
    }
    return fail(ErrorCode::kSandboxCgroup, std::string(file) + " has no line \"" + line + "\" after it was written");
  }

  bool has(const std::string& controller, const char* file) const {
    return controllers_.contains(controller) && hasGroupFile(pay_, file);
  }
  void miss(const std::string& what, const std::string& controller) {
    said_.missing.push_back(what + " (no " + controller + " controller in cgroup v2)");
  }

 private:
  int pay_;
  const std::set<std::string>& controllers_;
  Enforcement& said_;
};

std::string pages(Bytes value) {
  auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::to_string(value.count / page * page);  // as the kernel keeps it
}

Result<void> holdCpu(LimitWriter& writer, const Limits& limits) {
  if (limits.cpu) {
    // quota and period in microseconds; the kernel takes no quota below 1 ms, so a small share gets a longer period.
    std::int64_t period = limits.cpu->count * 100 < 1000 ? 1'000'000 : 100'000;
    if (!writer.has("cpu", "cpu.max")) {
      writer.miss("cpu", "cpu");
    } else {
      AGENTOS_CHECK(
          writer.hold("cpu.max", std::to_string(limits.cpu->count * period / 1000) + " " + std::to_string(period)));
    }
  }
  if (limits.cpuWeight) {
    if (!writer.has("cpu", "cpu.weight")) {
      writer.miss("cpu weight", "cpu");
    } else {
      AGENTOS_CHECK(writer.hold("cpu.weight", std::to_string(*limits.cpuWeight)));
    }
  }
  return {};
}

Result<void> holdMemory(LimitWriter& writer, const Limits& limits) {
  if (limits.memory && !writer.has("memory", "memory.max")) {
    writer.miss("memory", "memory");
  } else if (limits.memory) {
    AGENTOS_CHECK(writer.hold("memory.max", pages(*limits.memory)));
  }
  if (limits.memoryHigh && !writer.has("memory", "memory.high")) {
    writer.miss("memory high", "memory");
  } else if (limits.memoryHigh) {
    AGENTOS_CHECK(writer.hold("memory.high", pages(*limits.memoryHigh)));
  }
  if (!limits.swap && !limits.memory) return {};
  if (writer.has("memory", "memory.swap.max")) {
    // A memory limit without a word on swap means none: else the limit only moves the overflow to disk.
    return writer.hold("memory.swap.max", pages(limits.swap.value_or(Bytes{0})));
  }
  if (limits.swap) writer.miss("swap", "memory");
  return {};
}

Result<void> holdPids(LimitWriter& writer, const Limits& limits, Enforcement& said) {
  if (!limits.pids) return {};
  if (writer.has("pids", "pids.max")) return writer.hold("pids.max", std::to_string(*limits.pids));
  // Each room has a uid range of its own, so that the kernel's count by uid is the room's count.
  said.substituted.push_back("pids by RLIMIT_NPROC=" + std::to_string(*limits.pids));
  return {};
}

Result<void> holdIoWeight(LimitWriter& writer, const Limits& limits) {
  if (!limits.ioWeight) return {};
  if (writer.has("io", "io.weight")) return writer.hold("io.weight", "default " + std::to_string(*limits.ioWeight));
  writer.miss("io weight", "io");
  return {};
}

// As the kernel says it again: every key, in its order.
std::string formatIoMax(const IoMax& most) {
  auto text = [](const auto& value) { return value ? std::to_string(*value) : std::string("max"); };
  auto bytes = [](const auto& value) { return value ? std::to_string(value->count) : std::string("max"); };
  return "rbps=" + bytes(most.read) + " wbps=" + bytes(most.write) + " riops=" + text(most.readOps) +
         " wiops=" + text(most.writeOps);
}

Result<void> holdIoMax(LimitWriter& writer, const Limits& limits, const std::vector<std::string>& disks,
                       Enforcement& said) {
  if (!limits.ioMax.any()) return {};
  if (!writer.has("io", "io.max")) {
    writer.miss("io max", "io");
    return {};
  }
  if (disks.empty()) said.missing.emplace_back("io max (the files of the room are on no disk of this machine)");
  for (const auto& disk : disks) AGENTOS_CHECK(writer.holdLine("io.max", disk + " " + formatIoMax(limits.ioMax)));
  return {};
}

// agent-init's own, so that it cannot grow at the agent's word: best effort, the agent's limits are those that count.
void holdSup(int sup, const std::set<std::string>& controllers) {
  if (controllers.contains("memory")) (void)writeGroupFile(sup, "memory.max", kSupMemory);
  if (controllers.contains("pids")) (void)writeGroupFile(sup, "pids.max", kSupPids);
}

}  // namespace

Result<void> allowBurst(const InstanceGroups& groups, const std::set<std::string>& controllers, const Limits& limits,
                        Enforcement& said) {
  LimitWriter writer(groups.pay.get(), controllers, said);
  if (!limits.cpu || !writer.has("cpu", "cpu.max.burst")) return {};
  AGENTOS_TRY(auto quota, readGroupFile(groups.pay.get(), "cpu.max"));
  return writer.hold("cpu.max.burst", std::string(split(quota, ' ').front()));
}

Result<Enforcement> applyLimits(const InstanceGroups& groups, const std::set<std::string>& controllers,
                                const Limits& limits, const std::vector<std::string>& disks) {
  Enforcement said;
  LimitWriter writer(groups.pay.get(), controllers, said);
  AGENTOS_CHECK(holdCpu(writer, limits));
  AGENTOS_CHECK(holdMemory(writer, limits));
  AGENTOS_CHECK(holdPids(writer, limits, said));
  AGENTOS_CHECK(holdIoWeight(writer, limits));
  AGENTOS_CHECK(holdIoMax(writer, limits, disks, said));
  holdSup(groups.sup.get(), controllers);
  return said;
}

}  // namespace agentos::sandbox
