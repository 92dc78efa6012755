// SPDX-License-Identifier: Apache-2.0
#include "agentctl/company_init.h"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <ranges>
#include <vector>

#include "base/files.h"
#include "company/layout.h"

namespace agentos::agentctl {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kDirectoryMode = 02770, kFileMode = 0660;

std::string lastPart(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

// Beside the installed program, else the source tree it was built from.
Result<std::string> findExample() {
  std::error_code error;
  auto program = fs::read_symlink("/proc/self/exe", error);
  for (const auto& place :
       {program.parent_path() / "../share/agentd/examples/company", fs::path(AGENTOS_EXAMPLES) / "company"}) {
    if (fs::exists(place / "company.yaml", error)) return place.string();
  }
  return fail(ErrorCode::kNotFound, "the example company is not installed",
              "install agentd with its examples, or leave out --example");
}

Result<void> setMode(const std::string& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) == 0) return {};
  return failErrno(errno, "cannot set the mode of " + path);
}

Result<void> copyFile(const std::string& from, const fs::path& to) {
  AGENTOS_TRY(auto bytes, readPath(from));
  AGENTOS_TRY(Fd directory, openDirectory(to.parent_path().string()));
  AGENTOS_CHECK(replaceFile(directory.get(), to.filename().string(), bytes, kFileMode));
  return setMode(to.string(), kFileMode);
}

Result<void> makeFolder(const fs::path& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0) {
    return errno == EEXIST ? Result<void>() : failErrno(errno, "cannot make directory " + path.string());
  }
  return setMode(path.string(), kDirectoryMode);
}

// Over the fresh company; the example's own files win. Directories come before what is in them.
Result<void> copyExample(const std::string& example, const std::string& directory) {
  try {
    for (const auto& entry : fs::recursive_directory_iterator(example)) {
      auto target = fs::path(directory) / fs::relative(entry.path(), example);
      if (entry.is_directory()) {
        AGENTOS_CHECK(makeFolder(target));
      } else if (entry.is_regular_file() && entry.path().filename() != ".gitkeep") {
        AGENTOS_CHECK(copyFile(entry.path().string(), target));
      }
    }
  } catch (const fs::filesystem_error& problem) {
    return failErrno(problem.code().value(), "copying the example: " + problem.path1().string());
  }
  return {};
}

Result<std::optional<Owner>> findOwner(const std::string& name) {
  const std::string wanted = name.empty() && ::geteuid() == 0 ? "agentd" : name;
  if (wanted.empty()) return std::nullopt;
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer{};
  ::getpwnam_r(wanted.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return Owner{entry.pw_uid, entry.pw_gid};
  if (name.empty()) return std::nullopt;
  return fail(ErrorCode::kNotFound, "there is no user \"" + name + "\"",
              "name one that is there, or make it: useradd --system " + name);
}

// acl(5) in its on-disk form (linux/posix_acl_xattr.h): what is made in the directory from now on is the group's to
// read and write, whatever the umask of the person who makes it.
void shareWithGroup(const std::string& directory, gid_t group) {
  struct Entry {
    std::uint16_t tag, perm;
    std::uint32_t id;
  };
  constexpr std::uint32_t kNoId = 0xffffffff;
  const struct {
    std::uint32_t version = 2;
    std::array<Entry, 5> entries;
  } acl{2, {Entry{0x01, 7, kNoId}, {0x04, 7, kNoId}, {0x08, 7, group}, {0x10, 7, kNoId}, {0x20, 0, kNoId}}};
  // A file system without ACLs still has the setgid bit and agentd's own umask; `company doctor` finds what people made
  // unreadable there.
  [[maybe_unused]] auto set = ::setxattr(directory.c_str(), "system.posix_acl_default", &acl, sizeof acl, 0);
}

Result<void> giveTo(const std::string& path, const Owner& owner) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return failErrno(errno, "cannot look at " + path);
  if (::lchown(path.c_str(), owner.uid, owner.gid) != 0) {
    return failErrno(errno, "cannot give " + path + " to uid " + std::to_string(owner.uid), "do it as root");
  }
  if (S_ISLNK(info.st_mode)) return {};
  if (S_ISDIR(info.st_mode)) shareWithGroup(path, owner.gid);
  return setMode(path, info.st_mode & 07777);  // chown takes the setgid bit away
}

}  // namespace

Result<void> giveAllTo(const std::string& directory, const Owner& owner) {
  std::vector<std::string> paths = {directory};
  try {
    for (const auto& entry : fs::recursive_directory_iterator(directory)) paths.push_back(entry.path().string());
  } catch (const fs::filesystem_error& problem) {
    return failErrno(problem.code().value(), "giving away " + problem.path1().string());
  }
  for (const auto& path : std::views::reverse(paths)) AGENTOS_CHECK(giveTo(path, owner));
  return {};
}

Result<void> makeCompany(const NewCompany& wanted) {
  AGENTOS_TRY(auto owner, findOwner(wanted.user));
  std::string example;
  if (wanted.example) {
    AGENTOS_TRY(example, findExample());
  }
  auto name = wanted.name.empty() ? lastPart(wanted.directory) : wanted.name;
  AGENTOS_CHECK(company::Company::init(wanted.directory, name, wanted.timezone));
  if (wanted.example) AGENTOS_CHECK(copyExample(example, wanted.directory));
  if (!owner) return {};
  return giveAllTo(wanted.directory, *owner);
}

}  // namespace agentos::agentctl
