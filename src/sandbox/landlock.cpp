// SPDX-License-Identifier: Apache-2.0
#include "sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fd.h"
#include "sandbox/breach.h"

namespace agentos::sandbox {
namespace {

// linux/landlock.h as of ABI 6; Debian 12's headers end at ABI 3.
struct RulesetAttr {
  std::uint64_t handledAccessFs = 0;
  std::uint64_t handledAccessNet = 0;
  std::uint64_t scoped = 0;
};
struct [[gnu::packed]] PathBeneathAttr {
  std::uint64_t allowedAccess = 0;
  std::int32_t parentFd = -1;
};
constexpr std::uint64_t kScopeAbstractUnixSocket = 1 << 0;
constexpr std::uint64_t kScopeSignal = 1 << 1;
constexpr unsigned kCreateRulesetVersion = 1 << 0;
constexpr int kRulePathBeneath = 1;
constexpr int kScopingAbi = 6;
// ABI 1 refuses every rename from one directory into another.
constexpr int kFilesAbi = 2;

constexpr std::uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3,
                        kMakeChar = 1 << 6, kMakeBlock = 1 << 11, kTruncate = 1 << 14, kIoctlDev = 1 << 15;
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;
constexpr std::uint64_t kRead = kExecute | kReadFile | kReadDir;
// Devices are written and asked, not made; of /proc, a process's own knobs.
constexpr std::uint64_t kUse = kRead | kWriteFile | kTruncate | kIoctlDev;

// All that the ABI knows, for what is not allowed by a rule to be refused.
std::uint64_t handledBy(int abi) {
  const int rights = abi >= 5 ? 16 : abi >= 3 ? 15 : 14;
  return (std::uint64_t{1} << rights) - 1;
}

class Ruleset {
 public:
  explicit Ruleset(RulesetAttr attr)
      : handled_(attr.handledAccessFs),
        fd_(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0))) {}

  Result<void> allow(const std::string& path, std::uint64_t access) {
    Fd place(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place && errno == ENOENT) return {};
    struct stat info{};
    if (!place || fstat(place.get(), &info) != 0) return failed("a path for Landlock, " + path);
    PathBeneathAttr rule{access & handled_ & (S_ISDIR(info.st_mode) ? ~std::uint64_t{0} : kOfFiles), place.get()};
    if (syscall(SYS_landlock_add_rule, fd_.get(), kRulePathBeneath, &rule, 0) != 0)
      return failed("landlock_add_rule for " + path);
    return {};
  }
  Result<void> enforce() const {
    return syscall(SYS_landlock_restrict_self, fd_.get(), 0) == 0 ? Result<void>() : failed("landlock_restrict_self");
  }
  bool made() const { return static_cast<bool>(fd_); }
  static Result<void> failed(std::string step) {
    return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
  }

 private:
  std::uint64_t handled_;
  Fd fd_;
};

Result<void> allowAll(Ruleset& rules, const RoomPaths& paths, std::uint64_t handled) {
  AGENTOS_CHECK(rules.allow("/", kReadDir));
  for (const char* path : {"/proc", "/dev"}) AGENTOS_CHECK(rules.allow(path, kUse));
  for (const auto& path : paths.readable) AGENTOS_CHECK(rules.allow(path, kRead));
  for (const auto& path : paths.writable) AGENTOS_CHECK(rules.allow(path, handled & ~(kMakeChar | kMakeBlock)));
  return {};
}

}  // namespace

int landlockAbi() {
  long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<void> restrictToRoom(const RoomPaths& paths) {
  const int abi = landlockAbi();
  const bool files = abi >= kFilesAbi && !(paths.readable.empty() && paths.writable.empty()) && !isDown("files");
  RulesetAttr attr;
  if (files) attr.handledAccessFs = handledBy(abi);
  if (abi >= kScopingAbi && !isDown("landlock")) attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
  if (!files && attr.scoped == 0) return {};
  Ruleset rules(attr);
  if (!rules.made()) return Ruleset::failed("landlock_create_ruleset");
  if (files) AGENTOS_CHECK(allowAll(rules, paths, attr.handledAccessFs));
  return rules.enforce();
}

}  // namespace agentos::sandbox
