// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fd.h"

namespace agentos::sandbox {
namespace {

// struct landlock_ruleset_attr as of ABI 6; Debian 12's headers end at ABI 3.
struct RulesetAttr {
  std::uint64_t handledAccessFs = 0;
  std::uint64_t handledAccessNet = 0;
  std::uint64_t scoped = 0;
};
constexpr std::uint64_t kScopeAbstractUnixSocket = 1 << 0;
constexpr std::uint64_t kScopeSignal = 1 << 1;
constexpr unsigned kCreateRulesetVersion = 1 << 0;
constexpr int kScopingAbi = 6;

}  // namespace

int landlockAbi() {
  long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<void> scopeToRoom() {
  if (landlockAbi() < kScopingAbi) return {};
  RulesetAttr attr{.scoped = kScopeAbstractUnixSocket | kScopeSignal};
  Fd ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0)));
  if (!ruleset) return failErrno(errno, "landlock_create_ruleset", {}, ErrorCode::kSandboxSetup);
  if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return failErrno(errno, "landlock_restrict_self", {}, ErrorCode::kSandboxSetup);
  }
  return {};
}

}  // namespace agentos::sandbox
