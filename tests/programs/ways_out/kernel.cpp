// SPDX-License-Identifier: Apache-2.0
// At the kernel itself.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "attempt.h"

namespace escape {
namespace {

bool loadBpf(const Words&) {
  bpf_attr attributes{};
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = attributes.value_size = 4;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes) >= 0;
}

bool countEvents(const Words&) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = attributes.exclude_hv = 1;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0) >= 0;
}

bool setUpRing(const Words&) {
  char parameters[120] = {};
  return syscall(SYS_io_uring_setup, 1, parameters) >= 0;
}

bool handleFaults(const Words&) { return syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */) >= 0; }

// More segments than there may be: refused, but only after the right to load was looked at.
bool loadKernel(const Words&) { return wasLetIn(syscall(SYS_kexec_load, 0, 999, nullptr, 0)); }
bool loadModule(const Words&) { return wasLetIn(syscall(SYS_init_module, nullptr, 0, "")); }
bool unloadModule(const Words&) { return wasLetIn(syscall(SYS_delete_module, "no_such_module_is_here", O_NONBLOCK)); }
bool askQuota(const Words&) {
  int format = 0;
  return wasLetIn(quotactl(QCMD(Q_GETFMT, USRQUOTA), "/dev/null", 0, reinterpret_cast<char*>(&format)));
}
// With magic numbers that are none.
bool restart(const Words&) { return wasLetIn(syscall(SYS_reboot, 1, 2, 3, nullptr)); }
bool readLog(const Words&) { return syscall(SYS_syslog, 10 /* SYSLOG_ACTION_SIZE_BUFFER */, nullptr, 0) > 0; }
bool swapTo(const Words&) { return wasLetIn(syscall(SYS_swapon, "/no/such/file", 0)); }
bool account(const Words&) { return wasLetIn(syscall(SYS_acct, "/")); }
bool watchAll(const Words&) { return syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY) >= 0; }

// The status that the clock has already.
bool setClock(const Words&) {
  timex now{};
  if (adjtimex(&now) < 0) return false;
  now.modes = ADJ_STATUS;
  return adjtimex(&now) >= 0;
}

// The time zone that the kernel has already.
bool setZone(const Words&) {
  struct timezone zone{};
  return syscall(SYS_gettimeofday, nullptr, &zone) == 0 && syscall(SYS_settimeofday, nullptr, &zone) == 0;
}

bool openForWriting(const Words& words) { return opens(words[0], O_WRONLY); }

// /dev/kmsg of one's own making, in a directory that may be written.
bool makeDevice(const Words& words) {
  const std::string path = words[0] + "/kmsg";
  unlink(path.c_str());
  return mknod(path.c_str(), S_IFCHR | 0666, makedev(1, 11)) == 0;
}
bool openDevice(const Words& words) { return makeDevice(words) && opens(words[0] + "/kmsg", O_WRONLY); }

bool addKey(const Words&) { return syscall(SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0; }
// A key that another process put into a session keyring that was handed down.
bool findKey(const Words& words) {
  long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", words[0].c_str(), 0);
  return key >= 0;
}

bool readImpliesExec(const Words&) { return syscall(SYS_personality, READ_IMPLIES_EXEC) >= 0; }
bool beRealTime(const Words&) {
  sched_param priority{};
  priority.sched_priority = 1;
  return sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}
bool beFirst(const Words&) { return setpriority(PRIO_PROCESS, 0, -20) == 0; }

bool lockMemory(const Words&) {
  constexpr std::size_t kBytes = 64 << 20;
  void* block = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return block != MAP_FAILED && mlock(block, kBytes) == 0;
}

bool callByTheOldDoor() {
#if defined(__x86_64__)
  long result = 20;  // getpid of i386
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result > 0;
#else
  return false;
#endif
}
bool byTheOldDoor(const Words&) { return childDoes(callByTheOldDoor); }

bool dumpCore(const Words&) {
  rlimit all{};
  if (getrlimit(RLIMIT_CORE, &all) != 0 || all.rlim_max == 0) return false;
  all.rlim_cur = all.rlim_max;
  return setrlimit(RLIMIT_CORE, &all) == 0;
}

// What the kernel tells everybody of itself, unless it is covered: more than an empty file.
bool readsSomething(const Words& words) {
  char byte = 0;
  int fd = open(words[0].c_str(), O_RDONLY | O_CLOEXEC);
  return fd >= 0 && read(fd, &byte, 1) == 1;
}

constexpr Attempt kAttempts[] = {
    {"bpf", 0, "makes a BPF map", loadBpf},
    {"perf", 0, "opens a performance counter", countEvents},
    {"io_uring", 0, "sets up a ring, whose requests no filter sees", setUpRing},
    {"userfaultfd", 0, "handles page faults itself", handleFaults},
    {"kexec", 0, "asks to load another kernel", loadKernel},
    {"load_module", 0, "asks to load a kernel module", loadModule},
    {"unload_module", 0, "asks to unload a kernel module", unloadModule},
    {"quotactl", 0, "asks about quotas of a device", askQuota},
    {"reboot", 0, "asks for a restart, with wrong magic", restart},
    {"kernel_log", 0, "reads the kernel's log", readLog},
    {"swapon", 0, "asks to swap to a file that is not there", swapTo},
    {"acct", 0, "asks to keep process accounts in a directory", account},
    {"fanotify", 0, "watches a whole file system", watchAll},
    {"adjust_clock", 0, "sets the clock's status", setClock},
    {"set_zone", 0, "sets the kernel's time zone", setZone},
    {"open_for_writing", 1, "opens a file of /proc for writing", openForWriting},
    {"make_device", 1, "makes a device node", makeDevice},
    {"open_device", 1, "makes a device node of /dev/kmsg and opens it", openDevice},
    {"add_key", 0, "puts a key into a keyring", addKey},
    {"find_key", 1, "looks for another's key in its session keyring", findKey},
    {"read_implies_exec", 0, "makes every page executable from now on", readImpliesExec},
    {"realtime", 0, "takes a real-time priority", beRealTime},
    {"nice", 0, "takes the highest ordinary priority", beFirst},
    {"lock_memory", 0, "locks 64 MiB into memory", lockMemory},
    {"i386", 0, "calls the kernel by its 32-bit entry", byTheOldDoor},
    {"core_dump", 0, "asks for core dumps", dumpCore},
    {"kernel_secret", 1, "reads what the kernel tells of itself", readsSomething},
};

}  // namespace

std::span<const Attempt> kernelAttempts() { return kAttempts; }

}  // namespace escape
