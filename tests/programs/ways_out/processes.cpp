// SPDX-License-Identifier: Apache-2.0
// At other processes: PID 1 of the room, which is agent-init, and those outside.
#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attempt.h"

namespace escape {
namespace {

pid_t pidOf(const Words& words) { return static_cast<pid_t>(std::atoi(words[0].c_str())); }
std::string procOf(const Words& words, const char* name) { return "/proc/" + words[0] + "/" + name; }

bool trace(const Words& words) {
  return ptrace(static_cast<__ptrace_request>(0x4206 /* SEIZE */), pidOf(words), 0, 0) == 0;
}

// Nothing is mapped there: the right to ask is looked at before.
bool readMemoryOf(const Words& words) {
  char byte = 0;
  iovec here{&byte, 1}, there{nullptr, 1};
  errno = 0;
  return process_vm_readv(pidOf(words), &here, 1, &there, 1, 0) >= 0 || errno == EFAULT;
}

bool takeDescriptor(const Words& words) {
  int process = static_cast<int>(syscall(434 /* pidfd_open */, pidOf(words), 0));
  return process >= 0 && syscall(438 /* pidfd_getfd */, process, 0, 0) >= 0;
}

bool openMemory(const Words& words) { return opens(procOf(words, "mem"), O_RDWR); }
bool openRoot(const Words& words) { return opens(procOf(words, "root/"), O_RDONLY | O_DIRECTORY); }
bool openProgram(const Words& words) { return opens(procOf(words, "exe"), O_RDONLY); }
bool listDescriptors(const Words& words) {
  DIR* list = opendir(procOf(words, "fd").c_str());
  if (list != nullptr) closedir(list);
  return list != nullptr;
}
bool readEnvironment(const Words& words) { return opens(procOf(words, "environ"), O_RDONLY); }
bool signalIt(const Words& words) { return kill(pidOf(words), 0) == 0; }
bool limitIt(const Words& words) { return syscall(SYS_prlimit64, pidOf(words), 7 /* NOFILE */, nullptr, nullptr) == 0; }

// Anybody in /proc but itself.
bool seeOthers(const Words&) {
  DIR* list = opendir("/proc");
  bool seen = false;
  while (const dirent* entry = list == nullptr ? nullptr : readdir(list)) {
    const int pid = std::atoi(entry->d_name);
    seen = seen || (pid > 0 && pid != getpid());
  }
  if (list != nullptr) closedir(list);
  return seen;
}

// A program runs and is gone, but a descriptor of its file is kept: is it to be written now? (What runc gave away in
// CVE-2019-5736.)
bool overwriteProgram(const Words& words) {
  pid_t child = fork();
  if (child == 0) {
    execl(words[0].c_str(), words[0].c_str(), "sleep", "200", nullptr);
    _exit(127);
  }
  usleep(100'000);
  int file = open(("/proc/" + std::to_string(child) + "/exe").c_str(), O_RDONLY);
  waitpid(child, nullptr, 0);
  const std::string again = "/proc/self/fd/" + std::to_string(file);
  return file >= 0 && opens(again, O_WRONLY);
}

// What is typed into the terminal of whoever started it.
bool typeIntoTerminal(const Words&) {
  for (const char* path : {"/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"}) {
    int terminal = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    char typed = 'x';
    if (terminal >= 0 && ioctl(terminal, TIOCSTI, &typed) == 0) return true;
  }
  return false;
}

// The same as somebody who was started from a terminal: for the control.
bool typeFromATerminal() {
  int parent = posix_openpt(O_RDWR | O_NOCTTY);
  if (parent < 0 || grantpt(parent) != 0 || unlockpt(parent) != 0 || setsid() < 0) return false;
  char name[64] = {};
  if (ptsname_r(parent, name, sizeof name) != 0) return false;
  int terminal = open(name, O_RDWR);
  return terminal >= 0 && ioctl(terminal, TIOCSCTTY, 0) == 0 && typeIntoTerminal({});
}
bool typeWithTerminal(const Words&) { return childDoes(typeFromATerminal); }

// A program that never was on a disk: is it behind the filter too?
bool runFromMemory(const Words&) {
  int program = static_cast<int>(syscall(SYS_memfd_create, "program", 0));
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  char buffer[65536];
  for (ssize_t got = read(self, buffer, sizeof buffer); got > 0; got = read(self, buffer, sizeof buffer)) {
    if (write(program, buffer, static_cast<std::size_t>(got)) != got) return false;
  }
  pid_t child = fork();
  if (child == 0) {
    char name[] = "escape", way[] = "unfiltered";
    char* argv[] = {name, way, nullptr};
    char* env[] = {nullptr};
    syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool isUnfiltered(const Words&) {
  char text[8192] = {};
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, text, sizeof text - 1) > 0 && std::strstr(text, "Seccomp:\t0") != nullptr;
}

// A set-user-id program gives what its owner may.
bool becomeOwner(const Words& words) {
  pid_t child = fork();
  if (child == 0) {
    execl(words[0].c_str(), words[0].c_str(), "is_another", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
bool isAnother(const Words&) { return geteuid() != getuid() || getegid() != getgid(); }
bool becomeRoot(const Words&) { return setuid(0) == 0 && getuid() == 0; }

constexpr Attempt kAttempts[] = {
    {"ptrace", 1, "traces a process", trace},
    {"process_vm_readv", 1, "reads another process's memory by call", readMemoryOf},
    {"pidfd_getfd", 1, "takes a descriptor out of another process", takeDescriptor},
    {"proc_mem", 1, "opens another process's memory by /proc", openMemory},
    {"proc_root", 1, "walks into another process's root by /proc", openRoot},
    {"proc_exe", 1, "opens another process's program by /proc", openProgram},
    {"proc_fd", 1, "lists another process's descriptors", listDescriptors},
    {"proc_environ", 1, "reads another process's environment", readEnvironment},
    {"signal", 1, "may signal another process", signalIt},
    {"prlimit", 1, "reads another process's limits", limitIt},
    {"see_others", 0, "sees others in /proc", seeOthers},
    {"overwrite_program", 1, "writes over a program that ran, by a descriptor that it kept", overwriteProgram},
    {"type", 0, "types into the terminal of whoever started it (TIOCSTI)", typeIntoTerminal},
    {"type_with_terminal", 0, "the same, started from a terminal", typeWithTerminal},
    {"run_from_memory", 0, "runs a program from memory, to be behind no filter", runFromMemory},
    {"unfiltered", 0, "is behind no filter", isUnfiltered},
    {"set_user_id", 1, "runs a set-user-id program", becomeOwner},
    {"is_another", 0, "is another than who started it", isAnother},
    {"setuid", 0, "becomes root", becomeRoot},
};

}  // namespace

std::span<const Attempt> processAttempts() { return kAttempts; }

}  // namespace escape
