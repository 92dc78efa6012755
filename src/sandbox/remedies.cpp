// SPDX-License-Identifier: Apache-2.0
#include "sandbox/remedies.h"

#include <algorithm>
#include <cerrno>

#include "base/files.h"
#include "base/text.h"

namespace agentos::sandbox {
namespace {

const std::string kSysctl = "/proc/sys/";

bool isSet(const ReadSetting& read, const std::string& name, const std::string& value) {
  return read(kSysctl + name).value_or("") == value;
}

// Now, and after the next boot.
std::string bySysctl(const std::string& name, const std::string& value) {
  return "echo '" + name + " = " + value + "' | sudo tee /etc/sysctl.d/60-agentd.conf && sudo sysctl -w " + name + "=" +
         value;
}

// What a limit on namespaces is by default is as many as there may be processes; any large number serves.
const std::string kManyNamespaces = "15000";

}  // namespace

std::optional<std::string> readSetting(const std::string& path) {
  auto text = readPath(path);
  if (!text) return std::nullopt;
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *std::move(text);
}

std::string remedyByCommandLine(const std::string& word, const ReadSetting& read) {
  if (read("/etc/default/grub")) {
    return "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&" + word +
           " /' /etc/default/grub && sudo update-grub && sudo reboot";
  }
  return "add " + word + " to the kernel's command line, and boot again";
}

std::string remedyForUserNamespaces(const ReadSetting& read) {
  for (const char* kind : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    const std::string name = std::string("user/max_") + kind + "_namespaces";
    if (isSet(read, name, "0")) return bySysctl("user.max_" + std::string(kind) + "_namespaces", kManyNamespaces);
  }
  return "a kernel with CONFIG_NAMESPACES, CONFIG_USER_NS and CONFIG_NET_NS, as every Debian and Ubuntu kernel is; in "
         "a "
         "container, one that may make namespaces";
}

std::string remedyForNestedNamespaces(const ReadSetting& read) {
  if (isSet(read, "kernel/apparmor_restrict_unprivileged_userns", "1"))
    return bySysctl("kernel.apparmor_restrict_unprivileged_userns", "0");
  if (isSet(read, "kernel/unprivileged_userns_clone", "0")) return bySysctl("kernel.unprivileged_userns_clone", "1");
  return remedyForUserNamespaces(read);
}

std::string remedyForLandlock(int abi, const ReadSetting& read) {
  if (abi > 0)
    return "a kernel of 6.12 or newer (this one's Landlock has ABI " + std::to_string(abi) + ", 6 is needed)";
  auto modules = read("/sys/kernel/security/lsm");
  if (!modules || modules->empty()) return "a kernel with CONFIG_SECURITY_LANDLOCK, 6.12 or newer";
  return remedyByCommandLine("lsm=landlock," + *modules, read);
}

std::string remedyForController(const std::string& name, const std::vector<ControllerPlace>& places,
                                const std::string& cgroup2Point, const ReadSetting& read) {
  const std::string oldName = name == "io" ? "blkio" : name;
  auto isBoundElsewhere = [&](const ControllerPlace& place) {
    return place.point != cgroup2Point && (place.name == name || place.name == oldName);
  };
  if (std::ranges::any_of(places, isBoundElsewhere))
    return remedyByCommandLine("systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all", read);
  const auto offered = split(read(cgroup2Point + "/cgroup.controllers").value_or(""), ' ');
  if (std::ranges::find(offered, name) != offered.end())
    return "sudo systemctl restart agentd-agents.service  # ends every agent; the keeper takes what is delegated to it";
  if (name == "memory") return remedyByCommandLine("cgroup_enable=memory", read);
  return "a kernel with the " + name + " controller, or a container that delegates it";
}

std::string remedyForSwap(const ReadSetting& read) { return remedyByCommandLine("swapaccount=1", read); }

std::string remedyForDeadline(int error, const ReadSetting& read) {
  if (isSet(read, "kernel/sched_rt_runtime_us", "0")) return bySysctl("kernel.sched_rt_runtime_us", "950000");
  if (error == EPERM) return "CAP_SYS_NICE for agentd-spawner: systemctl edit agentd-spawner.service";
  if (error == EBUSY) return "end what has reserved the processors' time (chrt --pid shows a process's class)";
  return "a kernel with SCHED_DEADLINE";
}

std::string remedyForPressure(int error, const ReadSetting& read) {
  if (error == ENOENT || error == EOPNOTSUPP) return remedyByCommandLine("psi=1", read);
  return "CAP_SYS_RESOURCE for agentd-spawner: systemctl edit agentd-spawner.service";
}

std::string remedyForModule(const std::string& module) {
  return "echo " + module + " | sudo tee /etc/modules-load.d/agentd-" + module + ".conf && sudo modprobe " + module;
}

std::string remedyForVolumes(const std::string& why) {
  if (why.contains("loop")) return remedyForModule("loop");
  if (why.contains("e2fsprogs")) return "sudo apt-get install e2fsprogs";
  return "a kernel with loop devices and ext4 (CONFIG_BLK_DEV_LOOP, CONFIG_EXT4_FS, CONFIG_FS_ENCRYPTION)";
}

}  // namespace agentos::sandbox
