// SPDX-License-Identifier: Apache-2.0
// The command that each machine is told, on machines that say of themselves what the test wants.
#include "sandbox/remedies.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <map>

#include "base/json.h"
#include "sandbox/examine.h"

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ReadSetting machine(std::map<std::string, std::string> files) {
  return [files = std::move(files)](const std::string& path) -> std::optional<std::string> {
    auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(Remedies, UbuntusRestrictionOnUserNamespacesIsLiftedBySysctl) {
  auto ubuntu = machine({{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"},
                         {"/proc/sys/kernel/unprivileged_userns_clone", "1"},
                         {"/proc/sys/user/max_user_namespaces", "63000"}});
  EXPECT_EQ(remedyForNestedNamespaces(ubuntu),
            "echo 'kernel.apparmor_restrict_unprivileged_userns = 0' | sudo tee /etc/sysctl.d/60-agentd.conf && sudo "
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

TEST(Remedies, DebiansSwitchAndTheNumberOfNamespacesAreNamed) {
  EXPECT_THAT(remedyForNestedNamespaces(machine({{"/proc/sys/kernel/unprivileged_userns_clone", "0"}})),
              HasSubstr("sudo sysctl -w kernel.unprivileged_userns_clone=1"));
  EXPECT_THAT(remedyForUserNamespaces(machine({{"/proc/sys/user/max_user_namespaces", "0"}})),
              HasSubstr("sudo sysctl -w user.max_user_namespaces=15000"));
  EXPECT_THAT(remedyForUserNamespaces(machine({{"/proc/sys/user/max_net_namespaces", "0"}})),
              HasSubstr("sudo sysctl -w user.max_net_namespaces=15000"));
  EXPECT_THAT(remedyForNestedNamespaces(machine({{"/proc/sys/user/max_user_namespaces", "0"}})),
              HasSubstr("user.max_user_namespaces=15000"));
  // Where no switch stands in the way, none is named.
  EXPECT_THAT(remedyForUserNamespaces(machine({{"/proc/sys/user/max_user_namespaces", "15000"}})),
              Not(HasSubstr("sysctl")));
}

TEST(Remedies, AWordForTheKernelGoesWhereTheMachinesLoaderTakesIt) {
  EXPECT_EQ(remedyByCommandLine("psi=1", machine({{"/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\""}})),
            "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && sudo update-grub && sudo reboot");
  EXPECT_EQ(remedyByCommandLine("psi=1", machine({})), "add psi=1 to the kernel's command line, and boot again");
}

TEST(Remedies, LandlockIsSwitchedOnBesideTheOthersOrComesWithAKernel) {
  auto without = machine({{"/sys/kernel/security/lsm", "capability,yama,apparmor"}});
  EXPECT_EQ(remedyForLandlock(0, without),
            "add lsm=landlock,capability,yama,apparmor to the kernel's command line, and boot again");
  EXPECT_THAT(remedyForLandlock(2, without), HasSubstr("6.12 or newer (this one's Landlock has ABI 2"));
  EXPECT_THAT(remedyForLandlock(0, machine({})), HasSubstr("CONFIG_SECURITY_LANDLOCK"));
}

TEST(Remedies, AControllerIsSoughtWhereItIs) {
  const std::string unified = "/sys/fs/cgroup";
  const std::vector<ControllerPlace> hybrid = {{"memory", unified + "/memory"}, {"blkio", unified + "/blkio"}};
  EXPECT_THAT(remedyForController("memory", hybrid, unified + "/unified", machine({})),
              HasSubstr("systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all"));
  EXPECT_THAT(remedyForController("io", hybrid, unified + "/unified", machine({})), HasSubstr("cgroup_no_v1=all"));
  auto given = machine({{unified + "/cgroup.controllers", "cpuset cpu io memory pids"}});
  EXPECT_THAT(remedyForController("pids", {}, unified, given), HasSubstr("systemctl restart agentd-agents.service"));
  EXPECT_THAT(remedyForController("memory", {}, unified, machine({{unified + "/cgroup.controllers", "cpu"}})),
              HasSubstr("cgroup_enable=memory"));
  EXPECT_THAT(remedyForSwap(machine({})), HasSubstr("swapaccount=1"));
}

TEST(Remedies, DeadlinePressureAndQuotaSayWhatIsMissing) {
  EXPECT_THAT(remedyForDeadline(EPERM, machine({{"/proc/sys/kernel/sched_rt_runtime_us", "0"}})),
              HasSubstr("sudo sysctl -w kernel.sched_rt_runtime_us=950000"));
  EXPECT_THAT(remedyForDeadline(EPERM, machine({})), HasSubstr("CAP_SYS_NICE"));
  EXPECT_THAT(remedyForDeadline(EBUSY, machine({})), HasSubstr("reserved"));
  EXPECT_THAT(remedyForPressure(ENOENT, machine({})), HasSubstr("psi=1"));
  EXPECT_THAT(remedyForPressure(EPERM, machine({})), HasSubstr("CAP_SYS_RESOURCE"));
  EXPECT_THAT(remedyForVolumes("there are no loop devices here"), HasSubstr("sudo modprobe loop"));
  EXPECT_EQ(remedyForVolumes("not installed (package e2fsprogs)"), "sudo apt-get install e2fsprogs");
  EXPECT_THAT(remedyForVolumes(""), HasSubstr("CONFIG_EXT4_FS"));
  EXPECT_THAT(remedyForModule("dm_crypt"), HasSubstr("sudo modprobe dm_crypt"));
}

TEST(Examine, ATrialThatFailsHangsOrDiesIsToldAsSuch) {
  auto failed = tryInChild([]() -> const char* {
    errno = EPERM;
    return "a step";
  });
  EXPECT_EQ(failed.why(), "a step: Operation not permitted");
  EXPECT_TRUE(tryInChild([]() -> const char* { return nullptr; }).worked());
  auto died = tryInChild([]() -> const char* { std::abort(); });
  EXPECT_FALSE(died.worked());
  EXPECT_EQ(died.step, "the process that tried it was ended");
}

TEST(Examine, TheFindingsAreJson) {
  auto json = parseJson(formatTrials({{"seccomp", "ok", "calls are \"filtered\"", "loaded", ""}}));
  ASSERT_TRUE(json);
  ASSERT_EQ(json->size(), 1U);
  EXPECT_EQ((*json)[0]["name"], "seccomp");
  EXPECT_EQ((*json)[0]["what"], "calls are \"filtered\"");
}

}  // namespace
}  // namespace agentos::sandbox
