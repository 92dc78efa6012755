// SPDX-License-Identifier: Apache-2.0
#include "sandbox/limits_file.h"

#include <algorithm>

#include "base/json.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

class Writer {
 public:
  explicit Writer(const Enforcement& said) : said_(said) {}

  // `file`: the group's file that holds it; `name`: how the lists of what is substituted and missing begin.
  void put(const char* key, Json figure, const std::string& file, const std::string& name) {
    Json entry = {{"limit", std::move(figure)}, {"enforced", false}};
    if (const std::string* held = find(said_.enforced, file + "=")) {
      entry["enforced"] = true;
      entry["by"] = *held;
    } else if (const std::string* other = find(said_.substituted, name + " by ")) {
      entry["enforced"] = true;
      entry["by"] = other->substr(name.size() + 4);
    } else if (const std::string* gone = find(said_.missing, name + " (")) {
      entry["why"] = gone->substr(name.size() + 2, gone->size() - name.size() - 3);
    } else {
      entry["why"] = "nothing here holds it";
    }
    all_[key] = std::move(entry);
  }
  void always(const char* key, Json figure, const char* by) {
    all_[key] = {{"limit", std::move(figure)}, {"enforced", true}, {"by", by}};
  }
  Json take() { return std::move(all_); }

 private:
  static const std::string* find(const std::vector<std::string>& list, const std::string& prefix) {
    auto found = std::ranges::find_if(list, [&](const std::string& line) { return line.starts_with(prefix); });
    return found == list.end() ? nullptr : &*found;
  }
  const Enforcement& said_;
  Json all_ = Json::object();
};

Json formatIo(const IoMax& most) {
  Json json = Json::object();
  if (most.read) json["read_bytes"] = most.read->count;
  if (most.write) json["write_bytes"] = most.write->count;
  if (most.readOps) json["read_ops"] = *most.readOps;
  if (most.writeOps) json["write_ops"] = *most.writeOps;
  return json;
}

}  // namespace

std::string formatLimitsFile(const Limits& limits, const OtherLimits& others, const Enforcement& said) {
  Writer out(said);
  if (limits.cpu) out.put("cpu_millicores", limits.cpu->count, "cpu.max", "cpu");
  if (limits.cpuWeight) out.put("cpu_weight", *limits.cpuWeight, "cpu.weight", "cpu weight");
  if (limits.cpus) out.put("cpus", *limits.cpus, "affinity", "affinity");
  if (limits.memory) out.put("memory_bytes", limits.memory->count, "memory.max", "memory");
  if (limits.memoryHigh) out.put("memory_high_bytes", limits.memoryHigh->count, "memory.high", "memory high");
  if (limits.swap) out.put("swap_bytes", limits.swap->count, "memory.swap.max", "swap");
  if (limits.pids) out.put("pids", *limits.pids, "pids.max", "pids");
  if (limits.ioWeight) out.put("io_weight", *limits.ioWeight, "io.weight", "io weight");
  if (limits.ioMax.any()) out.put("io_per_second", formatIo(limits.ioMax), "io.max", "io max");
  if (limits.scratchQuota) out.put("scratch_bytes", limits.scratchQuota->count, "scratch", "scratch");
  out.always("tmp_bytes", others.tmp.count, "the size of /tmp");
  out.always("shm_bytes", others.shm.count, "the size of /dev/shm");
  out.always("open_files", others.openFiles, "RLIMIT_NOFILE");
  std::string text = dumpJson({{"version", 1}, {"limits", out.take()}}) + "\n";
  return text.size() <= kMaxLimitsFile ? text : std::string();
}

}  // namespace agentos::sandbox
