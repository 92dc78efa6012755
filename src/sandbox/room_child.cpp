// SPDX-License-Identifier: Apache-2.0
#include "sandbox/room_child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "sandbox/breach.h"
#include "sandbox/channel.h"
#include "sandbox/policy.h"

namespace agentos::sandbox {
namespace {

// Above every descriptor that agent-init is given, so that moving them to their places never runs over one.
constexpr int kParking = 128;

class RoomBuilder {
 public:
  explicit RoomBuilder(const ChildPlan& plan) : plan_(plan), sync_(plan.sync) {}

  [[noreturn]] void run() {
    sayBorn();
    dieWithSpawner();
    enterNamespaces();
    openListeners();
    awaitMaps();
    becomeRoot();
    mountRoot();
    fillRoot();
    mountKernelViews();
    mountTemporary();
    awaitParts();
    tellLimits();  // while the root is all our own: what is mounted next may hold links that an agent left
    mountPlanned();
    leaveHost();
    execInit();
  }

 private:
  // Names the step that was being done; the spawner adds strerror.
  [[noreturn]] void giveUp(const char* step, const char* what = "") {
    int error = errno;
    std::array<char, 1024> text{};
    std::size_t size = 0;
    auto put = [&](const char* part) {
      while (*part != '\0' && size + 1 < text.size()) text[size++] = *part++;
    };
    text[size++] = kChildFailed;
    text[size++] = static_cast<char>('0' + error / 100 % 10);
    text[size++] = static_cast<char>('0' + error / 10 % 10);
    text[size++] = static_cast<char>('0' + error % 10);
    put(" "), put(step);
    if (*what != '\0') put(" "), put(what);
    [[maybe_unused]] auto sent = ::send(sync_, text.data(), size, MSG_NOSIGNAL);
    ::_exit(1);
  }
  void require(bool done, const char* step, const char* what = "") {
    if (!done) giveUp(step, what);
  }

  void sayBorn() {
    char letter = kChildBorn;
    if (::send(sync_, &letter, 1, MSG_NOSIGNAL) != 1) ::_exit(0);  // the spawner gave it up
  }

  // Until agent-init takes over, which then leaves by itself at an end of file before the go.
  void dieWithSpawner() { require(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl(PR_SET_PDEATHSIG)"); }

  // A change of ids sets what fs.suid_dumpable says, for the memory and so for the spawner whose memory it is
  // (spawner_main.cpp says why it matters).
  void dumpNothing() { require(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "prctl(PR_SET_DUMPABLE)"); }

  void enterNamespaces() {
    require(::unshare(CLONE_NEWNS | CLONE_NEWUTS | (isDown("ipc") ? 0 : CLONE_NEWIPC)) == 0, "unshare");
    if (!plan_.hostName.empty())
      require(::sethostname(plan_.hostName.data(), plan_.hostName.size()) == 0, "sethostname");
  }

  void openListeners() {
    for (std::size_t i = 0; i < plan_.ports.size(); ++i) {
      int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(plan_.ports[i]);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bool bound = fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      require(bound && ::listen(fd, SOMAXCONN) == 0, "binding a listener");
      listeners_[i] = fd;
    }
  }

  void awaitMaps() {
    char letter = 0;
    if (::recv(sync_, &letter, 1, 0) != 1 || letter != kChildMapped) ::_exit(0);  // the spawner gave it up
  }

  void awaitParts() {
    iovec part{letters_.data(), letters_.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxPassed)> control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t got = ::recvmsg(sync_, &message, MSG_CMSG_CLOEXEC);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (got < 1 || letters_[0] != kChildParts || header == nullptr) ::_exit(0);
    told_ = static_cast<std::size_t>(got);
    std::memcpy(passed_.data(), CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  }

  // The bare calls: glibc's wrappers pass a change of ids on to every thread that they remember, and of the spawner's
  // threads, which are not here, one may have been just starting: they would wait for it for ever.
  void becomeRoot() {
    require(::syscall(SYS_setgroups, 0, nullptr) == 0, "setgroups");
    require(::syscall(SYS_setresgid, 0, 0, 0) == 0, "setresgid");
    require(::syscall(SYS_setresuid, 0, 0, 0) == 0, "setresuid");
    dieWithSpawner();  // a change of ids had cleared it
    dumpNothing();
    // Not the spawner's session keyring. A kernel without keyrings has none to keep; where there are, a room that gets
    // none of its own (EDQUOT: somebody took the quota of its uid) is not made.
    if (isDown("keyring")) return;
    require(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0 || errno == ENOSYS,
            "a keyring of its own");
  }

  void mountRoot() {
    require(::mount("room", "root", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m,nr_inodes=1024") == 0,
            "mounting the root");
    require(::chdir("root") == 0, "entering the root");
  }

  void fillRoot() {
    for (const char* name : {"proc", "sys", "sys/fs", "sys/fs/cgroup", "tmp", "run", "var", "home", "home/agent"}) {
      require(::mkdir(name, 0755) == 0, "making the directory", name);
    }
    require(::symlink("../tmp", "var/tmp") == 0, "linking /var/tmp");
    for (const auto& link : plan_.roomTemplate->links) {
      require(::symlink(link.target.c_str(), link.name.c_str()) == 0, "linking", link.name.c_str());
    }
    for (const auto& name : plan_.roomTemplate->binds) {
      require(::mkdir(name.c_str(), 0755) == 0, "making the directory", name.c_str());
      std::array<char, 64> source{'.', '.', '/'};
      std::memcpy(source.data() + 3, name.data(), std::min(name.size(), source.size() - 4));
      require(::mount(source.data(), name.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0, "binding", name.c_str());
    }
  }

  void mountKernelViews() {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    require(::mount("proc", "proc", "proc", kFlags, isDown("hidepid") ? nullptr : "hidepid=2") == 0, "mounting /proc");
    for (const auto& path : plan_.roomTemplate->masks) {
      if (isDown("masks")) break;
      require(::mount("../masked", path.c_str(), nullptr, MS_BIND, nullptr) == 0, "masking", path.c_str());
    }
    require(
        ::mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") == 0,
        "mounting /dev/pts");
  }

  void mountTemporary() {
    const unsigned long flags = isDown("mountflags") ? 0 : MS_NOSUID | MS_NODEV;
    require(::mount("shm", "dev/shm", "tmpfs", flags, plan_.shmOptions.c_str()) == 0, "mounting /dev/shm");
    require(::mount("tmp", "tmp", "tmpfs", flags, plan_.tmpOptions.c_str()) == 0, "mounting /tmp");
    if (plan_.homeOptions.empty()) return;
    require(::mount("home", "home/agent", "tmpfs", flags, plan_.homeOptions.c_str()) == 0, "mounting /home/agent");
  }

  // Never through a link: a mount around the target may hold what an earlier run of the agent left there.
  void place(int tree, const char* target) {
    open_how how{O_PATH | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int spot = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, target, &how, sizeof how));
    require(spot >= 0, "finding the mount target", target);
    constexpr unsigned kByDescriptor = 0x04 | 0x40;  // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    require(::syscall(SYS_move_mount, tree, "", spot, "", kByDescriptor) == 0, "mounting on", target);
    ::close(spot);
  }

  // The agent's ids for what the kernel makes in the layers on the room's behalf (it remembers who mounted): no other
  // is in the map of their mount. The capabilities go with the ids, and are taken back.
  void actAs(unsigned id) {
    ::syscall(SYS_setfsgid, id);
    ::syscall(SYS_setfsuid, id);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    require(::syscall(SYS_capget, &header, sets.data()) == 0, "capget");
    for (auto& set : sets) set.effective = set.permitted;
    require(::syscall(SYS_capset, &header, sets.data()) == 0, "capset");
    dumpNothing();
  }

  // A directory of the layers, which may not be a link: agentd could put one there to the host's tree, which is still
  // around. By its descriptor, so that it cannot become one either.
  int openLayer(int layersTree, const char* name) {
    open_how how{O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = static_cast<int>(::syscall(SYS_openat2, layersTree, name, &how, sizeof how));
    require(fd >= 0, "opening the overlay's layer", name);
    return fd;
  }

  void setLayer(int context, const char* key, int fd) {
    std::array<char, 32> path{"proc/self/fd/"};
    std::to_chars(path.data() + std::strlen(path.data()), path.data() + path.size() - 1, fd);
    setOption(context, key, path.data());
  }

  void setOption(int context, const char* key, const char* value) {
    require(::syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0) == 0, "the overlay's option", key);
  }

  void park(int tree, const char* parkedAt) {
    constexpr unsigned kFromDescriptor = 0x04;  // MOVE_MOUNT_F_EMPTY_PATH
    require(::syscall(SYS_move_mount, tree, "", AT_FDCWD, parkedAt, kFromDescriptor) == 0, "parking a mount");
  }

  // overlayfs, by the new calls, so that it is put in its place without following a link. From inside the room's user
  // namespace: its xattrs are user.*, and of its features none is on that trusts what lies in the upper layer.
  int makeOverlay(int lowerTree, int layersTree, std::size_t spot) {
    std::array<char, 16> lower{"../lower0"}, layers{"../layers0"};
    lower[8] = layers[9] = static_cast<char>('0' + spot);
    park(lowerTree, lower.data());
    park(layersTree, layers.data());
    const int upper = openLayer(layersTree, "upper"), work = openLayer(layersTree, "work");
    actAs(kAgentId);
    int context = static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));
    require(context >= 0, "opening overlayfs");
    setLayer(context, "lowerdir", lowerTree);
    setLayer(context, "upperdir", upper);
    setLayer(context, "workdir", work);
    setOption(context, "redirect_dir", "nofollow");
    setOption(context, "metacopy", "off");
    setOption(context, "index", "off");
    require(::syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "userxattr", nullptr, 0) == 0, "the option userxattr");
    require(::syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0, "making the overlay");
    constexpr unsigned kFlags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    int mount = static_cast<int>(::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, kFlags));
    require(mount >= 0, "mounting the overlay");
    for (int used : {context, upper, work}) ::close(used);
    actAs(0);
    return mount;
  }

  void mountPlanned() {
    place(passed_[kPassPayTree], "sys/fs/cgroup");
    for (const auto& path : plan_.directories) {
      require(::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST, "making the directory", path.c_str());
    }
    std::size_t next = kPassedFixed, overlays = 0;
    for (std::size_t i = 0; i < plan_.targets.size(); ++i) {
      char letter = letters_[1 + i];
      const auto& target = plan_.targets[i];
      if (letter == '-') continue;
      if (target.make && letter != 'f') {
        require(::mkdir(target.path.c_str(), 0755) == 0 || errno == EEXIST, "making the mount target",
                target.path.c_str());
      } else if (target.make) {
        int file = ::open(target.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
        require(file >= 0, "making the mount target", target.path.c_str());
        ::close(file);
      }
      int tree = passed_[next++];
      if (letter == 'o') tree = makeOverlay(tree, passed_[next++], overlays++);
      place(tree, target.path.c_str());
    }
  }

  // What follows the letters. Its directory is the room's own, for what else the room may be told.
  void tellLimits() {
    const std::size_t at = 1 + plan_.targets.size();
    if (told_ <= at) return;
    require(::mkdir("run/agent", 0755) == 0 || errno == EEXIST, "making the directory", "run/agent");
    int file = ::open("run/agent/limits.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    const std::size_t size = told_ - at;
    require(file >= 0 && ::write(file, letters_.data() + at, size) == static_cast<ssize_t>(size),
            "writing run/agent/limits.json");
    ::close(file);
  }

  // A descriptor that can be synced, on a mount that is nowhere. The mount is put on the host's side of the tree, to
  // be taken off with it: to dissolve each by closing its descriptor costs a grace period of RCU (half a millisecond).
  int openApart(int tree, const char* parkedAt) {
    int directory = ::openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(directory >= 0, "opening the directory of records");
    park(tree, parkedAt);
    return directory;
  }

  // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top and is taken off at once.
  void leaveHost() {
    passed_[kPassLogDir] = openApart(passed_[kPassLogDir], "../logs");
    passed_[kPassRecordDir] = openApart(passed_[kPassRecordDir], "../records");
    require(::syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    require(isDown("pivot") || ::umount2(".", MNT_DETACH) == 0, "taking off the host's root");
    require(::chdir("/") == 0, "entering the new root");
    constexpr unsigned long kClosed = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
    require(isDown("readonly") || ::mount(nullptr, "/", nullptr, kClosed, nullptr) == 0, "closing the root");
  }

  int putAside(int fd) {
    int parked = ::fcntl(fd, F_DUPFD_CLOEXEC, kParking);
    require(parked >= 0, "moving a descriptor");
    return parked;
  }

  [[noreturn]] void execInit() {
    auto count = plan_.ports.size();
    if (!sendBuilt(count)) giveUp("telling the spawner");
    std::array<int, kInitListenerFd + kMaxListeners + 1> places{};
    places[0] = places[1] = places[2] = putAside(::open("/dev/null", O_RDWR | O_CLOEXEC));
    places[kInitPlanFd] = putAside(passed_[kPassPlan]);
    places[kInitControlFd] = putAside(passed_[kPassControl]);
    places[kInitLogDirFd] = putAside(passed_[kPassLogDir]);
    places[kInitRecordDirFd] = putAside(passed_[kPassRecordDir]);
    places[kInitPayProcsFd] = putAside(passed_[kPassPayProcs]);
    places[kInitSyncFd] = sync_ = putAside(plan_.sync);  // what may still go wrong is told by the parked one
    places[kInitPayDirFd] = putAside(passed_[kPassPayDir]);
    places[kInitSeccompFd] = putAside(passed_[kPassSeccomp]);
    for (std::size_t i = 0; i < count; ++i) places[kInitListenerFd + i] = putAside(listeners_[i]);
    places[kInitListenerFd + count] = putAside(passed_[kPassSlot]);
    int program = putAside(plan_.initProgram);
    auto used = kInitListenerFd + count + 1;
    for (std::size_t i = 0; i < used; ++i) require(::dup2(places[i], static_cast<int>(i)) >= 0, "placing a descriptor");
    require(::close_range(static_cast<unsigned>(used), ~0U, CLOSE_RANGE_CLOEXEC) == 0, "close_range");
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    require(::prctl(PR_SET_PDEATHSIG, 0) == 0, "prctl(PR_SET_PDEATHSIG)");
    char name[] = "agent-init";
    std::array<char*, 2> argv{name, nullptr};
    std::array<char*, 2> env{breachVariable(), nullptr};
    ::syscall(SYS_execveat, program, "", argv.data(), env.data(), AT_EMPTY_PATH);
    giveUp("executing agent-init");
  }

  // Not sendPacket, which allocates for the error of a spawner that gave the room up, and so kills this process: one
  // that died in malloc would leave the spawner's heap locked for ever.
  bool sendBuilt(std::size_t count) {
    char letter = kChildBuilt;
    iovec part{&letter, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxListeners)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (const std::size_t size = count * sizeof(int); size > 0) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(size);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(size);
      std::memcpy(CMSG_DATA(header), listeners_.data(), size);
    }
    return ::sendmsg(sync_, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
  }

  const ChildPlan& plan_;
  int sync_;
  std::array<char, 4096> letters_{};
  std::size_t told_ = 0;  // how many of them came
  std::array<int, kMaxPassed> passed_{};
  std::array<int, kMaxListeners> listeners_{};
};

}  // namespace

void runChild(const ChildPlan& plan) { RoomBuilder(plan).run(); }

}  // namespace agentos::sandbox
