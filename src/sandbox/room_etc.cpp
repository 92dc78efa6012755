// SPDX-License-Identifier: Apache-2.0
#include "sandbox/room_etc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/files.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxEtcFile = 8 << 20;
constexpr int kDepth = 6;
constexpr auto kLookEvery = std::chrono::seconds(1);

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

// Copied when the host has them: what programs need to find libraries, certificates, time zones and names.
// Nothing here tells of the host's users, keys or services.
constexpr std::array<const char*, RoomEtc::kEntries> kCopied = {
    "ld.so.cache",     "ld.so.conf", "ld.so.conf.d", "alternatives",   "ssl/certs", "ssl/openssl.cnf",
    "ca-certificates", "pki/tls",    "localtime",    "timezone",       "protocols", "services",
    "mime.types",      "fonts",      "os-release",   "debian_version", "python3",   "python3.11",
    "python3.12",      "python3.13", "perl",         "terminfo",       "inputrc",   "magic"};

Result<void> copyEntry(int from, int to, const std::string& name, int depth);

Result<void> copyFile(int from, int to, const std::string& name) {
  AGENTOS_TRY(auto text, readFile(from, name, kMaxEtcFile));
  Fd out(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!out) return failStep("making /etc/" + name);
  return writeAll(out.get(), text);
}

Result<void> copyLink(int from, int to, const std::string& name) {
  std::array<char, 4096> target;
  ssize_t size = ::readlinkat(from, name.c_str(), target.data(), target.size() - 1);
  if (size < 0) return failStep("reading the link " + name);
  target[static_cast<std::size_t>(size)] = '\0';
  if (::symlinkat(target.data(), to, name.c_str()) != 0) return failStep("making the link " + name);
  return {};
}

Result<void> copyDirectory(int from, int to, const std::string& name, int depth) {
  Fd source(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!source) return failStep("opening /etc/" + name);
  if (::mkdirat(to, name.c_str(), 0755) != 0) return failStep("making /etc/" + name);
  Fd target(::openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!target) return failStep("opening the template's " + name);
  AGENTOS_TRY(auto names, listDirectory(source.get()));
  for (const auto& entry : names) AGENTOS_CHECK(copyEntry(source.get(), target.get(), entry, depth - 1));
  return {};
}

// Links as links, world-readable plain files, directories; all else is left out.
Result<void> copyEntry(int from, int to, const std::string& name, int depth) {
  struct stat info{};
  if (depth == 0 || ::fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (S_ISLNK(info.st_mode)) return copyLink(from, to, name);
  if (S_ISDIR(info.st_mode) && (info.st_mode & S_IXOTH) != 0) return copyDirectory(from, to, name, depth);
  bool readable = S_ISREG(info.st_mode) && (info.st_mode & S_IROTH) != 0;
  return readable && static_cast<std::size_t>(info.st_size) <= kMaxEtcFile ? copyFile(from, to, name) : Result<void>{};
}

// "ssl/certs" → "ssl", "certs".
std::pair<std::string, std::string> placeOf(const std::string& path) {
  const auto slash = path.find('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// FNV-1a: it only has to differ when something did.
void mix(std::uint64_t& print, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) print = (print ^ (value >> (8 * i) & 0xff)) * 0x100000001b3;
}

void mix(std::uint64_t& print, std::string_view text) {
  for (const char one : text) mix(print, static_cast<unsigned char>(one));
}

void mix(std::uint64_t& print, const struct stat& info) {
  mix(print, std::uint64_t{info.st_mode});
  mix(print, std::uint64_t{info.st_ino});
  mix(print, static_cast<std::uint64_t>(info.st_size));
  mix(print, static_cast<std::uint64_t>(info.st_ctim.tv_sec));
  mix(print, static_cast<std::uint64_t>(info.st_ctim.tv_nsec));
}

}  // namespace

RoomEtc::RoomEtc(std::string source, Fd target, Fd aside)
    : source_(std::move(source)),
      target_(std::move(target)),
      aside_(std::move(aside)),
      changes_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

Result<std::unique_ptr<RoomEtc>> RoomEtc::make(std::string source, Fd target, Fd aside) {
  std::unique_ptr<RoomEtc> etc(new RoomEtc(std::move(source), std::move(target), std::move(aside)));
  etc->watch(etc->source_);
  AGENTOS_CHECK(etc->copyChanged());
  return etc;
}

void RoomEtc::watch(const std::string& path) {
  constexpr std::uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_ATTRIB | IN_ONLYDIR;
  if (::inotify_add_watch(changes_.get(), path.c_str(), kChanges) >= 0 || errno == ENOENT) return;
  blind_ = true;  // no watches left, say
}

bool RoomEtc::mayHaveChanged() {
  alignas(inotify_event) std::array<char, 4096> events;
  while (changes_ && ::read(changes_.get(), events.data(), events.size()) > 0) pending_ = true;
  const auto now = std::chrono::steady_clock::now();
  if (blind_ && now - looked_ >= kLookEvery) pending_ = true;
  return pending_;
}

// A directory is watched before it is read: what changes meanwhile is seen the next time.
RoomEtc::Print RoomEtc::printOf(const std::string& path, int depth) {
  struct stat info{};
  if (depth == 0 || ::lstat(path.c_str(), &info) != 0) return 0;
  Print print = 0xcbf29ce484222325;
  mix(print, info);
  if (!S_ISDIR(info.st_mode)) return print;
  watch(path);
  auto directory = openDirectory(path);
  auto names = directory ? listDirectory(directory->get()) : std::unexpected(directory.error());
  if (!names) return print;
  for (const auto& name : *names) {
    mix(print, name);
    mix(print, printOf(path + "/" + name, depth - 1));
  }
  return print;
}

Result<void> RoomEtc::replace(const std::string& path) {
  const auto [folder, name] = placeOf(path);
  const std::string from = folder.empty() ? source_ : source_ + "/" + folder;
  if (!folder.empty() && ::mkdirat(target_.get(), folder.c_str(), 0755) != 0 && errno != EEXIST)
    return failStep("making /etc/" + folder);
  Fd place(::openat(target_.get(), folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!place) return failStep("opening the template's /etc/" + folder);
  const std::filesystem::path half = "/proc/self/fd/" + std::to_string(aside_.get()) + "/" + name;
  std::error_code ignored;  // what is not gone is in the way, and said then
  std::filesystem::remove_all(half, ignored);
  Fd source(::open(from.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (source) AGENTOS_CHECK(copyEntry(source.get(), aside_.get(), name, kDepth));
  const bool isThere = ::faccessat(aside_.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  const bool wasThere = ::faccessat(place.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  const unsigned how = isThere && wasThere ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (isThere && ::renameat2(aside_.get(), name.c_str(), place.get(), name.c_str(), how) != 0)
    return failStep("putting /etc/" + path + " in its place");
  if (!isThere && wasThere && ::renameat2(place.get(), name.c_str(), aside_.get(), name.c_str(), how) != 0)
    return failStep("taking /etc/" + path + " away");
  std::filesystem::remove_all(half, ignored);
  return {};
}

Result<void> RoomEtc::copyChanged() {
  looked_ = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < kCopied.size(); ++i) {
    const std::string path = kCopied[i];
    const Print print = printOf(source_ + "/" + path, kDepth + 1);
    if (const auto folder = placeOf(path).first; !folder.empty()) watch(source_ + "/" + folder);
    if (print == prints_[i]) continue;
    AGENTOS_CHECK(replace(path));
    prints_[i] = print;
  }
  pending_ = false;
  return {};
}

Result<void> RoomEtc::refresh() { return mayHaveChanged() ? copyChanged() : Result<void>{}; }

}  // namespace agentos::sandbox
