// SPDX-License-Identifier: Apache-2.0
#include "sandbox/machine.h"

#include <libcgroup.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "sandbox/landlock.h"

namespace agentos::sandbox {

std::vector<ControllerPlace> locateControllers() {
  std::vector<ControllerPlace> places;
  if (cgroup_init() != 0) return places;
  void* handle = nullptr;
  cgroup_mount_point found{};
  for (int more = cgroup_get_controller_begin(&handle, &found); more == 0;
       more = cgroup_get_controller_next(&handle, &found)) {
    places.push_back({found.name, found.path});
  }
  cgroup_get_controller_end(&handle);
  return places;
}

std::string explainMissingController(std::string_view name, const std::vector<ControllerPlace>& places,
                                     std::string_view cgroup2Point) {
  std::string_view oldName = name == "io" ? "blkio" : name;
  auto place = std::ranges::find_if(places, [&](const ControllerPlace& entry) {
    return entry.point != cgroup2Point && (entry.name == name || entry.name == oldName);
  });
  std::string text = "the " + std::string(name) + " controller is not in cgroup v2, its limits are not enforced: ";
  if (place == places.end()) return text + "this kernel does not offer it here";
  return text + "it is bound to cgroup v1 at " + place->point + "; boot with cgroup_no_v1=" + std::string(oldName) +
         " (or systemd.unified_cgroup_hierarchy=1)";
}

std::uint64_t effectiveCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return 0;
  return data[0].effective | std::uint64_t{data[1].effective} << 32;
}

std::vector<std::string> explainMissingPowers(std::uint64_t capabilities, int abi) {
  std::vector<std::string> warnings;
  auto has = [&](int capability) { return (capabilities >> capability & 1) != 0; };
  if (!has(CAP_SYS_RESOURCE)) {
    warnings.emplace_back(
        "CAP_SYS_RESOURCE is missing: hard resource limits cannot be raised and oom_score_adj cannot be lowered");
  }
  if (!has(CAP_SYS_NICE)) warnings.emplace_back("CAP_SYS_NICE is missing: latency class HRT cannot be given");
  if (abi == 0) {
    warnings.emplace_back(
        "Landlock is missing or switched off: signals and abstract sockets are walled by namespaces alone");
  } else if (abi < 6) {
    warnings.emplace_back("Landlock ABI " + std::to_string(abi) +
                          " has no scoping (6 has): signals and abstract sockets are walled by namespaces alone");
  }
  return warnings;
}

void addMachineFacts(PlatformReport& report, const std::vector<std::string>& wanted, std::string_view cgroup2Point) {
  utsname name{};
  if (uname(&name) == 0) report.kernel = name.release;
  report.landlockAbi = landlockAbi();
  auto places = locateControllers();
  for (const std::string& controller : wanted) {
    if (std::ranges::count(report.controllers, controller) > 0) continue;
    report.warnings.push_back(explainMissingController(controller, places, cgroup2Point));
  }
  for (std::string& warning : explainMissingPowers(effectiveCapabilities(), report.landlockAbi)) {
    report.warnings.push_back(std::move(warning));
  }
}

}  // namespace agentos::sandbox
