// SPDX-License-Identifier: Apache-2.0
// A small hostile program: tries one thing, says what came of it on standard output, exits 0 when it got through and 1
// when it did not.
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

using Words = std::vector<std::string>;

int tell(bool through, const std::string& what) {
  std::printf("%s: %s\n", what.c_str(), through ? "through" : std::strerror(errno));
  std::fflush(stdout);
  return through ? 0 : 1;
}

int readFile(const Words& words) {
  int fd = open(words.at(0).c_str(), O_RDONLY);
  char byte = 0;
  return tell(fd >= 0 && read(fd, &byte, 1) >= 0, "read " + words[0]);
}

int printFile(const Words& words) {
  int fd = open(words.at(0).c_str(), O_RDONLY);
  char buffer[65536];
  ssize_t got = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
  if (got > 0) std::printf("%.*s\n", static_cast<int>(got), buffer);
  return tell(got >= 0, "print " + words[0]);
}

int writeFile(const Words& words) {
  int fd = open(words.at(0).c_str(), O_WRONLY | O_CREAT, 0644);
  return tell(fd >= 0 && write(fd, "x", 1) == 1, "write " + words[0]);
}

// Every way to a set-id bit on a file of one's own: through when one file has it.
int setId(const Words& words) {
  const std::string dir = words.at(0);
  bool through = false;
  for (mode_t bits : {04755U, 02755U, 06755U}) {
    auto name = [&](const char* way) { return dir + "/" + way + std::to_string(bits); };
    auto plain = [&](const char* way) { return open(name(way).c_str(), O_WRONLY | O_CREAT, 0755); };
    close(plain("chmod"));
    static_cast<void>(!chmod(name("chmod").c_str(), bits));
    int file = plain("fchmod");
    static_cast<void>(!fchmod(file, bits));
    close(file);
    close(plain("fchmodat"));
    syscall(SYS_fchmodat, AT_FDCWD, name("fchmodat").c_str(), bits);
    close(plain("fchmodat2"));
    syscall(452, AT_FDCWD, name("fchmodat2").c_str(), bits, 0);
    syscall(SYS_open, name("open").c_str(), O_WRONLY | O_CREAT, bits);
    syscall(SYS_open, name("excl").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, bits);
    syscall(SYS_openat, AT_FDCWD, name("openat").c_str(), O_WRONLY | O_CREAT, bits | 0xffff0000U);
    int unnamed = static_cast<int>(syscall(SYS_openat, AT_FDCWD, dir.c_str(), O_WRONLY | O_TMPFILE, bits));
    std::string self = "/proc/self/fd/" + std::to_string(unnamed);
    [[maybe_unused]] int linked = linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name("tmpfile").c_str(), AT_SYMLINK_FOLLOW);
    struct {
      unsigned long flags, mode, resolve;
    } how{O_WRONLY | O_CREAT, bits, 0};
    syscall(437 /* openat2 */, AT_FDCWD, name("openat2").c_str(), &how, sizeof how);
    syscall(SYS_creat, name("creat").c_str(), bits);
    syscall(SYS_mknod, name("mknod").c_str(), S_IFREG | bits, 0);
    syscall(SYS_mknodat, AT_FDCWD, name("mknodat").c_str(), S_IFIFO | bits, 0);
  }
  DIR* all = opendir(dir.c_str());
  while (const dirent* entry = all == nullptr ? nullptr : readdir(all)) {
    struct stat info{};
    if (stat((dir + "/" + entry->d_name).c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
    if ((info.st_mode & 06000) == 0) continue;
    std::printf("<%s>\n", entry->d_name);
    through = true;
  }
  return tell(through, "set-id");
}

// A directory in one with set-group-id has it too.
int inheritGroup(const Words& words) {
  std::string made = words.at(0) + "/made";
  struct stat info{};
  return tell(mkdir(made.c_str(), 0770) == 0 && stat(made.c_str(), &info) == 0 && (info.st_mode & S_ISGID) != 0,
              "inherit");
}

int makeDirectory(const Words& words) { return tell(mkdir(words.at(0).c_str(), 0755) == 0, "mkdir " + words[0]); }

int listDirectory(const Words& words) {
  DIR* dir = opendir(words.at(0).c_str());
  if (dir == nullptr) return tell(false, "list " + words[0]);
  std::set<std::string> names;
  while (const dirent* entry = readdir(dir)) names.insert(entry->d_name);
  for (const auto& name : names) std::printf("[%s]\n", name.c_str());
  closedir(dir);
  return tell(true, "list");
}

int mountTmpfs(const Words&) { return tell(mount("t", "/tmp", "tmpfs", 0, nullptr) == 0, "mount"); }
int remountRoot(const Words& words) {
  return tell(mount(nullptr, words.at(0).c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr) == 0, "remount " + words[0]);
}
int unmount(const Words& words) { return tell(umount2(words.at(0).c_str(), MNT_DETACH) == 0, "umount " + words[0]); }

int status(const Words& words) {
  return printFile({"/proc/" + (words.empty() ? std::string("self") : words[0]) + "/status"});
}

int statFile(const Words& words) {
  struct stat info{};
  bool through = stat(words.at(0).c_str(), &info) == 0;
  if (through) std::printf("uid=%u gid=%u\n", info.st_uid, info.st_gid);
  return tell(through, "stat " + words[0]);
}

int ids(const Words&) {
  std::printf("uid=%u gid=%u groups=%d\n", getuid(), getgid(), getgroups(0, nullptr));
  return tell(true, "ids");
}

int interfaces(const Words&) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return tell(false, "interfaces");
  std::set<std::string> names;
  for (auto* one = all; one != nullptr; one = one->ifa_next) names.insert(one->ifa_name);
  for (const auto& name : names) std::printf("[%s]\n", name.c_str());
  return tell(true, "interfaces");
}

// connect 127.0.0.1 to a port
int connectLocal(const Words& words) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words.at(0).c_str())));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool through = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (through && words.size() > 1) through = write(fd, words[1].data(), words[1].size()) > 0;
  return tell(through, "connect " + words[0]);
}

int sendOut(const Words&) {  // no packet leaves: UDP's connect only asks for a route
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(0x08080808);
  return tell(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "route out");
}

int killPid(const Words& words) { return tell(kill(std::atoi(words.at(0).c_str()), 0) == 0, "signal " + words[0]); }

int newUserNamespace(const Words&) { return tell(unshare(CLONE_NEWUSER) == 0, "unshare user"); }
int chrootHere(const Words&) { return tell(chroot(".") == 0, "chroot"); }
int becomeRoot(const Words&) { return tell(setuid(0) == 0, "setuid 0"); }
int makeDevice(const Words& words) { return tell(mknod(words.at(0).c_str(), S_IFCHR | 0666, 0x103) == 0, "mknod"); }
int hostName(const Words&) {
  char name[65] = {};
  gethostname(name, 64);
  std::printf("host=%s\n", name);
  return tell(sethostname("evil", 4) == 0, "sethostname");
}

int descriptors(const Words&) {
  for (int fd = 0; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) std::printf("[fd %d]\n", fd);
  }
  return tell(true, "descriptors");
}

// forks N children that sleep; says how many came to be
int forkMany(const Words& words) {
  int wanted = std::atoi(words.at(0).c_str()), made = 0;
  for (int i = 0; i < wanted; ++i) {
    pid_t pid = fork();
    if (pid == 0) {
      setsid();  // a group and a session of its own: no signal to a group reaches it
      for (;;) pause();
    }
    if (pid < 0) break;
    ++made;
  }
  std::printf("made %d\n", made);
  std::fflush(stdout);
  for (;;) pause();
}

// counts as fast as it can, in N processes, each into its own file
int spin(const Words& words) {
  int wanted = std::atoi(words.at(0).c_str());
  for (int i = 0; i < wanted; ++i) {
    if (fork() != 0) continue;
    std::string path = "/home/agent/count" + std::to_string(i);
    int fd = open(path.c_str(), O_RDWR | O_CREAT, 0644);
    for (unsigned long count = 0;; ++count) {
      if (pwrite(fd, &count, sizeof count, 0) < 0) _exit(1);
    }
  }
  std::printf("spinning\n");
  std::fflush(stdout);
  for (;;) pause();
}

int sleepFor(const Words& words) {
  std::printf("sleeping\n");
  std::fflush(stdout);
  usleep(static_cast<useconds_t>(std::atoi(words.at(0).c_str())) * 1000);
  return words.size() > 1 ? std::atoi(words[1].c_str()) : 0;
}

int eatMemory(const Words& words) {
  auto bytes = static_cast<std::size_t>(std::atoll(words.at(0).c_str()));
  char* block = static_cast<char*>(std::malloc(bytes));
  if (block == nullptr) return tell(false, "memory");
  std::memset(block, 1, bytes);
  return tell(block[bytes / 2] == 1, "memory");
}

int environment(const Words&) {
  for (char** entry = environ; *entry != nullptr; ++entry) std::printf("[%s]\n", *entry);
  return tell(true, "environment");
}

int policyOf(pid_t pid) { return sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK; }

// The policy that it has and that a child of it has; then it tries to leave it, and sleeps when there is a word.
int schedule(const Words& words) {
  const int mine = policyOf(0);
  const pid_t child = fork();
  if (child == 0) _exit(policyOf(0));
  int ended = 0;
  waitpid(child, &ended, 0);
  std::printf("policy %d child %d\n", mine, WEXITSTATUS(ended));
  sched_param none{};
  const int shed = sched_setscheduler(0, SCHED_OTHER, &none);
  std::printf("shed %s policy %d\n", shed == 0 ? "done" : std::strerror(errno), policyOf(0));
  std::fflush(stdout);
  if (!words.empty()) usleep(static_cast<useconds_t>(std::atoi(words.at(0).c_str())) * 1000);
  return 0;
}

// Locks this many KiB of memory.
int lockMemory(const Words& words) {
  const auto bytes = static_cast<std::size_t>(std::atoll(words.at(0).c_str())) << 10;
  void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return tell(block != MAP_FAILED && mlock(block, bytes) == 0, "lock");
}

const std::map<std::string, int (*)(const Words&)> kCommands = {{"read", readFile},
                                                                {"print", printFile},
                                                                {"write", writeFile},
                                                                {"mkdir", makeDirectory},
                                                                {"setid", setId},
                                                                {"inherit", inheritGroup},
                                                                {"list", listDirectory},
                                                                {"mount", mountTmpfs},
                                                                {"remount", remountRoot},
                                                                {"umount", unmount},
                                                                {"status", status},
                                                                {"stat", statFile},
                                                                {"ids", ids},
                                                                {"interfaces", interfaces},
                                                                {"connect", connectLocal},
                                                                {"route", sendOut},
                                                                {"signal", killPid},
                                                                {"userns", newUserNamespace},
                                                                {"chroot", chrootHere},
                                                                {"setuid", becomeRoot},
                                                                {"mknod", makeDevice},
                                                                {"hostname", hostName},
                                                                {"fds", descriptors},
                                                                {"fork", forkMany},
                                                                {"spin", spin},
                                                                {"sleep", sleepFor},
                                                                {"eat", eatMemory},
                                                                {"env", environment},
                                                                {"schedule", schedule},
                                                                {"lock", lockMemory}};

}  // namespace

int main(int argc, char** argv) {
  Words words(argv + 1, argv + argc);
  if (words.empty() || !kCommands.contains(words[0])) return 2;
  auto command = kCommands.at(words[0]);
  words.erase(words.begin());
  return command(words);
}
