// SPDX-License-Identifier: Apache-2.0
#include "company/layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/files.h"
#include "company/zone.h"

namespace agentos::company {
namespace {

// Group members work in these directories with their own tools, and what they make belongs to the group (setgid).
constexpr mode_t kDirectoryMode = 02770;
constexpr mode_t kFileMode = 0660;

constexpr std::string_view kTree[] = {
    "agents/contracts",
    "agents/registry",
    "agents/state",
    "agents/tasks/backlog",
    "agents/tasks/queued",
    "agents/tasks/in-progress",
    "agents/tasks/in-review",
    "agents/tasks/done/_archive",
    "agents/tasks/failed",
    "agents/tasks/declined",
    "agents/messages/human/inbox",
    "agents/messages/broadcast",
    "agents/messages/threads/resolved",
    "agents/logs",
    "strategy/proposals/active",
    "strategy/proposals/decided",
    "strategy/decisions",
    "identity",
    "knowledge",
    "products",
    "finance/costs",
    "operations/digests",
    "operations/notifications",
    "operations/quarantine",
};

struct StarterFile {
  std::string_view directory, name, text;
};
constexpr StarterFile kStarters[] = {
    {"identity", "values.md", "# Values\n\nWhat this company holds to, whatever the task. Every agent reads this.\n"},
    {"identity", "principles.md", "# Principles\n\nHow work is done here. Every agent reads this.\n"},
    {"strategy", "drives.md", "# Drives\n\nWhat the company moves towards when nobody has asked for anything.\n"},
    {"strategy", "current-focus.md", "# Current focus\n\nWhat matters most just now.\n"},
};

std::string settingsText(const std::string& name, const std::string& timezone) {
  return "# What this company is; docs/company.md has every key.\nname: " + quoteYaml(name) +
         "\ntimezone: " + quoteYaml(timezone) +
         "\n\n# Caps on what all agents together may spend on models.\ncaps:\n  per_day_usd: 20.00\n  per_month_usd: "
         "300.00\n\n# Data scopes: which paths a contract's data_scopes open.\nscopes:\n  public: [knowledge, "
         "products]\n";
}

// mkdirat's mode goes through the umask; the group's share and setgid must not be lost to it.
Result<Fd> makeDirectory(int root, const std::string& path) {
  AGENTOS_CHECK(makeDirectoriesBeneath(root, path, kDirectoryMode));
  return openBeneath(root, path, O_RDONLY | O_DIRECTORY);
}

Result<void> makeTree(int root) {
  for (const std::string_view path : kTree) {
    for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
      const std::string part(path.substr(0, slash));
      const bool isNew = !stampOf(root, part);
      AGENTOS_TRY(const Fd fd, makeDirectory(root, part));
      if (isNew && ::fchmod(fd.get(), kDirectoryMode) != 0) return failErrno(errno, "cannot set the mode of " + part);
      if (slash == std::string_view::npos) break;
    }
  }
  return {};
}

Result<void> makeRuntime(int root) {
  for (const char* slot : {"runtime-blue", "runtime-green"}) {
    AGENTOS_TRY(const Fd fd, makeDirectory(root, slot));
    if (::fchmod(fd.get(), 02755) != 0) return failErrno(errno, "cannot set the mode of " + std::string(slot));
  }
  if (::symlinkat("runtime-blue/", root, "runtime") != 0) return failErrno(errno, "cannot make the link runtime");
  return {};
}

std::string pathOf(TaskStatus status) { return "agents/tasks/" + std::string(directoryOf(status)); }

// Permissions mend nothing on a file system that is mounted read-only.
std::string remedyFor(const Error& error, const std::string& path) {
  if (error.code == ErrorCode::kReadOnly)
    return "its file system is mounted read-only: `mount -o remount,rw` the one that holds it (findmnt -T " + path +
           ")";
  return "give agentd's user the right to write in it: chgrp -R with its group, and chmod -R g+rwX";
}

// Every needed directory, made where it is missing; a company that cannot be written is refused here, not later.
Result<void> completeTree(int root, const std::string& path) {
  auto made = makeTree(root);
  if (!made) {
    Error error = std::move(made).error().within("completing the company in " + path);
    if (error.remedy.empty()) error.remedy = remedyFor(error, path);
    return std::unexpected(std::move(error));
  }
  if (::faccessat(root, pathOf(TaskStatus::kQueued).c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    auto refused = failErrno(errno, "the company in " + path + " cannot be written", {}, ErrorCode::kDenied);
    refused.error().remedy = remedyFor(refused.error(), path);
    return refused;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Company>> Company::open(const std::string& path) {
  std::unique_ptr<Company> company(new Company);
  company->path_ = path;
  auto root = openDirectory(path);
  if (!root) {
    Error error = std::move(root).error().within("the company");
    error.remedy = error.code == ErrorCode::kNotFound ? "`agentctl company init " + path + "` makes a company"
                                                      : "it must be readable and writable for agentd's user";
    return std::unexpected(std::move(error));
  }
  company->root_ = *std::move(root);
  auto text = readFile(company->rootFd(), "company.yaml");
  if (!text) {
    Error error = std::move(text).error().within(path);
    if (error.code == ErrorCode::kNotFound) error.remedy = "`agentctl company init " + path + "` makes a company";
    return std::unexpected(std::move(error));
  }
  auto settings = parseCompanySettings(*text, path + "/company.yaml");
  if (!settings) return fail(ErrorCode::kConfig, settings.error().front().message());
  company->settings_ = *std::move(settings);
  AGENTOS_CHECK(completeTree(company->rootFd(), path));
  for (const TaskStatus status : kAllTaskStatuses) {
    AGENTOS_TRY(Fd fd, openBeneath(company->rootFd(), pathOf(status), O_RDONLY | O_DIRECTORY));
    company->tasks_.push_back(std::move(fd));
  }
  AGENTOS_TRY(company->archive_, company->directory("agents/tasks/done/_archive"));
  return company;
}

Result<void> Company::checkNew(const std::string& name, const std::string& timezone) {
  AGENTOS_CHECK(Zone::find(timezone));
  if (parseCompanySettings(settingsText(name, timezone), "company.yaml")) return {};
  return fail(ErrorCode::kInvalidArgument, "'" + name + "' is no name for a company", "a text that is not empty");
}

Result<void> Company::init(const std::string& path, const std::string& name, const std::string& timezone) {
  AGENTOS_CHECK(checkNew(name, timezone));
  AGENTOS_TRY(const Fd root, makeDirectories(path, kDirectoryMode));
  return fill(root.get(), path, name, timezone);
}

Result<void> Company::fill(int root, const std::string& path, const std::string& name, const std::string& timezone) {
  AGENTOS_TRY(const auto names, listDirectory(root));
  if (!names.empty()) {
    return fail(ErrorCode::kExists, path + " is not empty: it holds " + names.front(), "an empty or a new directory");
  }
  if (::fchmod(root, kDirectoryMode) != 0) return failErrno(errno, "cannot set the mode of " + path);
  AGENTOS_CHECK(makeTree(root));
  AGENTOS_CHECK(makeRuntime(root));
  for (const StarterFile& file : kStarters) {
    AGENTOS_TRY(const Fd directory, openBeneath(root, std::string(file.directory), O_RDONLY | O_DIRECTORY));
    AGENTOS_CHECK(createFile(directory.get(), std::string(file.name), file.text, kFileMode));
  }
  // Last: what has company.yaml is a whole company.
  return createFile(root, "company.yaml", settingsText(name, timezone), kFileMode);
}

int Company::tasksFd(TaskStatus status) const { return tasks_[static_cast<std::size_t>(status)].get(); }

std::string Company::tasksPath(TaskStatus status) const { return path_ + "/" + pathOf(status); }

Result<void> Company::followReplaced(TaskStatus status) {
  struct stat held{}, there{};
  if (::fstat(tasksFd(status), &held) != 0) return failErrno(errno, "cannot look at " + tasksPath(status));
  if (::fstatat(rootFd(), pathOf(status).c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == held.st_ino &&
      there.st_dev == held.st_dev) {
    return {};
  }
  AGENTOS_TRY(tasks_[static_cast<std::size_t>(status)], makeDirectory(rootFd(), pathOf(status)));
  if (status == TaskStatus::kDone) {
    AGENTOS_TRY(archive_, directory("agents/tasks/done/_archive"));
  }
  return {};
}

Result<Fd> Company::directory(const std::string& relative) const { return makeDirectory(rootFd(), relative); }

Result<std::string> Company::quarantine(int fromDir, const std::string& name, const std::string& reason) const {
  AGENTOS_TRY(const Fd place, directory("operations/quarantine"));
  // The reason is written first: it takes the name, and no file lies there without one.
  std::string target = name;
  for (int suffix = 1;; ++suffix) {
    const auto taken = stampOf(place.get(), target);
    auto reserved = taken ? Result<void>(fail(ErrorCode::kExists, target))
                          : createFile(place.get(), target + ".reason", reason + "\n", kFileMode);
    if (reserved) break;
    if (reserved.error().code != ErrorCode::kExists) return std::unexpected(std::move(reserved).error());
    target = name + "." + std::to_string(suffix);
  }
  auto moved = moveFile(fromDir, name, place.get(), target);
  if (moved) return target;
  (void)removeFile(place.get(), target + ".reason");  // ignoring a failure: the move's error is the one to tell
  return std::unexpected(std::move(moved).error().within("quarantine of " + name));
}

}  // namespace agentos::company
