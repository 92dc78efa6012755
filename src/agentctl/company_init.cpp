// SPDX-License-Identifier: Apache-2.0
#include "agentctl/company_init.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/files.h"
#include "base/roots_path.h"
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

struct Sample {
  std::string path;  // in the company
  bool isDirectory = false;
  std::string bytes{};
};

// Directories before what is in them. Read while we still are who we are: its owner may not be able to.
Result<std::vector<Sample>> readExample(const std::string& example) {
  std::vector<Sample> samples;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(example)) {
      Sample sample{fs::relative(entry.path(), example).string(), entry.is_directory()};
      if (!sample.isDirectory) {
        if (!entry.is_regular_file() || entry.path().filename() == ".gitkeep") continue;
        AGENTOS_TRY(sample.bytes, readPath(entry.path().string()));
      }
      samples.push_back(std::move(sample));
    }
  } catch (const fs::filesystem_error& problem) {
    return failErrno(problem.code().value(), "reading the example: " + problem.path1().string());
  }
  return samples;
}

Result<void> setMode(int root, const std::string& path, int flags, mode_t mode) {
  AGENTOS_TRY(const Fd file, openBeneath(root, path, O_RDONLY | O_NONBLOCK | flags));
  return ::fchmod(file.get(), mode) == 0 ? Result<void>() : failErrno(errno, "cannot set the mode of " + path);
}

// Over the fresh company; the example's own files win.
Result<void> writeExample(const std::vector<Sample>& samples, int root) {
  for (const Sample& sample : samples) {
    if (sample.isDirectory) {
      AGENTOS_CHECK(makeDirectoriesBeneath(root, sample.path, kDirectoryMode));
      AGENTOS_CHECK(setMode(root, sample.path, O_DIRECTORY, kDirectoryMode));
      continue;
    }
    const fs::path path(sample.path);
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    AGENTOS_TRY(const Fd directory, openBeneath(root, folder, O_RDONLY | O_DIRECTORY));
    AGENTOS_CHECK(replaceFile(directory.get(), path.filename().string(), sample.bytes, kFileMode));
    AGENTOS_CHECK(setMode(directory.get(), path.filename().string(), 0, kFileMode));
  }
  return {};
}

struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
};

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

// For files this thread is its owner, as long as this lives: without root's capabilities, too (setfsuid(2)).
class AsOwner {
 public:
  explicit AsOwner(const std::optional<Owner>& owner) : active_(owner && ::geteuid() == 0) {
    if (!active_) return;
    ::setfsgid(owner->gid);
    ::setfsuid(owner->uid);
    held_ = ::setfsuid(static_cast<uid_t>(-1)) == static_cast<int>(owner->uid);
  }
  ~AsOwner() {
    if (!active_) return;
    ::setfsuid(0);
    ::setfsgid(0);
  }
  AsOwner(const AsOwner&) = delete;
  AsOwner& operator=(const AsOwner&) = delete;
  bool held() const { return held_; }  // the calls themselves tell no failure

 private:
  bool active_, held_ = true;
};

// The path leads to the open directory, and nobody but root could have led it elsewhere meanwhile. One look at the last
// part: a link of root's, or the directory itself.
bool rootChose(const std::string& directory, const struct stat& opened) {
  std::error_code error;
  const auto named = fs::absolute(directory, error).lexically_normal();
  struct stat last{};
  if (error || ::lstat(named.c_str(), &last) != 0) return false;
  const bool meant =
      S_ISLNK(last.st_mode) ? last.st_uid == 0 : last.st_dev == opened.st_dev && last.st_ino == opened.st_ino;
  return meant && isRootsPath(named.string());
}

// The directory itself, made when it is absent.
struct Place {
  Fd fd;
  bool isNew = false;
};
Result<Place> openPlace(const std::string& directory) {
  std::error_code error;
  const auto path = fs::absolute(directory, error).lexically_normal();
  const auto trimmed = path.has_filename() ? path : path.parent_path();
  AGENTOS_TRY(const Fd parent, makeDirectories(trimmed.parent_path().string(), 0755));
  const std::string name = trimmed.filename().empty() ? "." : trimmed.filename().string();
  Place place;
  place.isNew = ::mkdirat(parent.get(), name.c_str(), kDirectoryMode) == 0;
  if (!place.isNew && errno != EEXIST) return failErrno(errno, "cannot make directory " + directory);
  const int follow = place.isNew ? O_NOFOLLOW : 0;
  place.fd = Fd(::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow));
  if (!place.fd) return failErrno(errno, "cannot open " + directory);
  return place;
}

// While it is empty: later its owner may put a link in the place of anything in it.
Result<void> give(const Place& place, const std::string& directory, const Owner& owner) {
  struct stat info{};
  if (::fstat(place.fd.get(), &info) != 0) return failErrno(errno, "cannot look at " + directory);
  if (info.st_uid == owner.uid && info.st_gid == owner.gid) return {};
  AGENTOS_TRY(const auto names, listDirectory(place.fd.get()));
  if (!names.empty()) return {};  // refused where the company would be made
  if (!place.isNew && info.st_uid != owner.uid && !rootChose(directory, info)) {
    return fail(
        ErrorCode::kDenied,
        directory + " is uid " + std::to_string(info.st_uid) +
            "'s, and somebody other than root can change where that path leads",
        "chown " + std::to_string(owner.uid) + " the directory that is meant, or name one that is not there yet");
  }
  if (::fchown(place.fd.get(), owner.uid, owner.gid) == 0) return {};
  return failErrno(errno, "cannot give " + directory + " to uid " + std::to_string(owner.uid), "do it as root");
}

// acl(5) in its on-disk form (linux/posix_acl_xattr.h): what is made in the directory from now on is the group's to
// read and write, whatever the umask of the person who makes it.
void shareWithGroup(int directory, gid_t group) {
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
  [[maybe_unused]] auto set = ::fsetxattr(directory, "system.posix_acl_default", &acl, sizeof acl, 0);
}

Result<void> shareTree(int directory, gid_t group) {
  shareWithGroup(directory, group);
  AGENTOS_TRY(const auto names, listDirectory(directory));
  for (const auto& name : names) {
    const Fd below(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below) AGENTOS_CHECK(shareTree(below.get(), group));
  }
  return {};
}

}  // namespace

Result<void> makeCompany(const NewCompany& wanted) {
  AGENTOS_TRY(const auto owner, findOwner(wanted.user));
  std::vector<Sample> samples;
  if (wanted.example) {
    AGENTOS_TRY(const auto example, findExample());
    AGENTOS_TRY(samples, readExample(example));
  }
  const auto name = wanted.name.empty() ? lastPart(wanted.directory) : wanted.name;
  AGENTOS_CHECK(company::Company::checkNew(name, wanted.timezone));
  AGENTOS_TRY(const Place place, openPlace(wanted.directory));
  if (owner) AGENTOS_CHECK(give(place, wanted.directory, *owner));
  const AsOwner asOwner(owner);
  if (!asOwner.held()) return fail(ErrorCode::kDenied, "cannot act as uid " + std::to_string(owner->uid));
  AGENTOS_CHECK(company::Company::fill(place.fd.get(), wanted.directory, name, wanted.timezone));
  AGENTOS_CHECK(writeExample(samples, place.fd.get()));
  return owner ? shareTree(place.fd.get(), owner->gid) : Result<void>();
}

}  // namespace agentos::agentctl
