// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/spare_directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/files.h"
#include "sandbox/log_frame.h"

namespace agentos::agentd {
namespace {

constexpr std::string_view kPrefix = ".spare-";
constexpr int kTries = 100;
constexpr std::size_t kTokenLength = 6;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

void removeOld(const std::string& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.path().filename().native().starts_with(kPrefix)) std::filesystem::remove_all(entry.path(), ignored);
  }
}

Fd openOrNothing(const std::string& path) { return Fd(::open(path.c_str(), kDirectory)); }

bool makeFile(int dirFd, const char* name) {
  return static_cast<bool>(Fd(::openat(dirFd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640)));
}

}  // namespace

struct SpareDirectories::Shared {
  std::string instancesPath, logsPath;
  Fd instances, logs;
  std::size_t size = 0;
  std::mutex mutex;
  std::deque<std::string> ready;

  std::optional<std::string> takeOne() {
    std::lock_guard lock(mutex);
    if (ready.empty()) return std::nullopt;
    std::string name = std::move(ready.front());
    ready.pop_front();
    return name;
  }
  bool full() {
    std::lock_guard lock(mutex);
    return ready.size() >= size;
  }
  void remove(const std::string& name) const {
    for (const auto& directory : {instancesPath, logsPath}) {
      std::error_code ignored;
      std::filesystem::remove_all(directory + "/" + name, ignored);
    }
  }
  // Whatever fails is made, and told, by the run that needs it: nothing half made stays for each of them.
  bool makeOne() {
    const std::string name = std::string(kPrefix) + randomToken(kTokenLength);
    const bool made = makeNamed(name);
    if (!made) remove(name);
    return made;
  }
  bool makeNamed(const std::string& name) {
    if (::mkdirat(instances.get(), name.c_str(), 0750) != 0 || ::mkdirat(logs.get(), name.c_str(), 0750) != 0)
      return false;
    const Fd record(::openat(instances.get(), name.c_str(), kDirectory));
    const Fd log(::openat(logs.get(), name.c_str(), kDirectory));
    if (!record || !log || ::mkdirat(record.get(), "context", 0750) != 0) return false;
    if (!makeFile(record.get(), "context/prompt.md") || !makeFile(record.get(), "exit.json.tmp") ||
        !makeFile(log.get(), sandbox::kLogName))
      return false;
    std::lock_guard lock(mutex);
    ready.push_back(name);
    return true;
  }
};

SpareDirectories::SpareDirectories(std::string instances, std::string logs, std::size_t size, Worker::Mode mode)
    : shared_(std::make_shared<Shared>()), worker_(std::make_unique<Worker>(mode)) {
  shared_->instances = openOrNothing(instances);
  shared_->logs = openOrNothing(logs);
  shared_->instancesPath = instances;
  shared_->logsPath = logs;
  shared_->size = size;
  worker_->post([instances = std::move(instances), logs = std::move(logs)] {
    removeOld(instances);
    removeOld(logs);
  });
  refill();
}

SpareDirectories::~SpareDirectories() {
  worker_.reset();
  while (auto name = shared_->takeOne()) shared_->remove(*name);
}

void SpareDirectories::refill() {
  if (shared_->full()) return;
  worker_->post([shared = shared_] {
    while (!shared->full() && shared->makeOne()) {
    }
  });
}

Result<InstanceId> SpareDirectories::give(const std::string& spare, const AgentName& agent) const {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::string name = agent.str() + "." + randomToken(kTokenLength);
    if (::renameat2(shared_->instances.get(), spare.c_str(), shared_->instances.get(), name.c_str(),
                    RENAME_NOREPLACE) != 0) {
      if (errno == EEXIST) continue;
      return failErrno(errno, "cannot give a directory to the instance " + name);
    }
    // A log directory that somebody made under that name stays; the run's own is then made as it always was.
    [[maybe_unused]] int given =
        ::renameat2(shared_->logs.get(), spare.c_str(), shared_->logs.get(), name.c_str(), RENAME_NOREPLACE);
    return InstanceId::parse(name);
  }
  return fail(ErrorCode::kInternal, "no free instance id for " + agent.str());
}

Result<InstanceId> SpareDirectories::take(const AgentName& agent) {
  if (auto spare = shared_->takeOne()) {
    auto id = give(*spare, agent);
    if (id) return id;
  }
  return takeInstanceId(shared_->instances.get(), agent);
}

void SpareDirectories::discardUnused(const InstanceId& id) const {
  const std::string record = id.str() + "/exit.json.tmp", log = id.str() + "/" + sandbox::kLogName;
  ::unlinkat(shared_->instances.get(), record.c_str(), 0);
  struct stat info{};
  if (::fstatat(shared_->logs.get(), log.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_size == 0)
    ::unlinkat(shared_->logs.get(), log.c_str(), 0);
}

}  // namespace agentos::agentd
