// SPDX-License-Identifier: Apache-2.0
#include "sandbox/pressure.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace agentos::sandbox {
namespace {

std::unexpected<Error> lacking(const std::string& path, int error) {
  const bool off = error == EOPNOTSUPP || error == ENOENT;
  return failErrno(error, "no pressure trigger on " + path,
                   off ? "boot with psi=1 (a kernel with CONFIG_PSI)" : "CAP_SYS_RESOURCE for the spawner",
                   ErrorCode::kUnavailable);
}

Result<Fd> openTrigger(const std::string& path, std::int64_t stallUs, std::int64_t windowUs) {
  Fd trigger(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!trigger) return lacking(path, errno);
  // The kernel wants the end of the text to be its NUL.
  const std::string words = "some " + std::to_string(stallUs) + " " + std::to_string(windowUs);
  if (::write(trigger.get(), words.c_str(), words.size() + 1) < 0) return lacking(path, errno);
  return trigger;
}

}  // namespace

Result<std::vector<Fd>> openPressure(const PressureAsk& ask, const std::string& directory) {
  // Another window than a multiple of two seconds is refused to whoever lacks CAP_SYS_RESOURCE; two is the shortest.
  constexpr std::int64_t kWindow = 2'000'000;
  std::vector<Fd> triggers;
  const std::pair<const char*, std::int64_t> wanted[] = {{"memory", ask.memoryUs}, {"cpu", ask.cpuUs}};
  for (const auto& [name, stallUs] : wanted) {
    if (stallUs < 1 || stallUs > kWindow) {
      return fail(ErrorCode::kInvalidArgument, "a stall of " + std::to_string(stallUs) + " us",
                  "1 us to 2 s, of each 2 s");
    }
    AGENTOS_TRY(auto trigger, openTrigger(directory + "/" + name, stallUs, kWindow));
    triggers.push_back(std::move(trigger));
  }
  return triggers;
}

}  // namespace agentos::sandbox
