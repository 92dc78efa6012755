// SPDX-License-Identifier: Apache-2.0
#include "sandbox/spawn_job.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/fault.h"
#include "base/files.h"
#include "base/text.h"
#include "sandbox/breach.h"
#include "sandbox/disks.h"
#include "sandbox/exit_record.h"
#include "sandbox/log.h"
#include "sandbox/real_time.h"

namespace agentos::sandbox {
namespace {

constexpr std::chrono::seconds kSetUpTime(5);
constexpr std::chrono::seconds kVolumeTime(12);  // less than agentd waits for an answer
constexpr std::size_t kMaxWord = 8192;

std::unexpected<Error> failStep(std::string step) {
  return failErrno(errno, std::move(step), {}, ErrorCode::kSandboxSetup);
}

Result<void> writeProc(std::int32_t pid, const char* file, const std::string& text) {
  std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  Fd out(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!out || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return failStep("writing " + path);
  return {};
}

// What the room reads and writes of the host's.
std::vector<std::string> filesOf(const Host& host, const AllowedPlan& allowed) {
  std::vector<std::string> paths = {host.policy.stateDir, host.policy.logDir, "/usr"};
  for (const auto& entry : allowed.mounts) paths.push_back(entry.mount.source);
  return paths;
}

// The child's E: "<errno, three digits> <step>".
Error childError(std::string_view text) {
  int number = 0;
  const std::string_view digits = text.substr(0, 3);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  std::string step(text.size() > 4 ? text.substr(4) : "an unnamed step");
  return failErrno(number, std::move(step), {}, ErrorCode::kSandboxSetup).error().within("building the room");
}

}  // namespace

Result<std::uint64_t> startTicksOf(std::int32_t pid) {
  AGENTOS_TRY(auto text, readPath("/proc/" + std::to_string(pid) + "/stat"));
  // The second field is the program's name in parentheses, and may hold anything.
  auto after = text.rfind(')');
  auto fields = split(std::string_view(text).substr(after == std::string::npos ? 0 : after + 1), ' ');
  std::uint64_t ticks = 0;
  if (fields.size() < 21 ||
      std::from_chars(fields[20].data(), fields[20].data() + fields[20].size(), ticks).ec != std::errc()) {
    return fail(ErrorCode::kIo, "/proc/" + std::to_string(pid) + "/stat has no start time");
  }
  return ticks;
}

SpawnJob::SpawnJob(Host& host, AllowedPlan plan, Answer answer, std::uint64_t ticket)
    : host_(host),
      allowed_(std::move(plan)),
      answer_(std::move(answer)),
      ticket_(ticket),
      deadline_(std::chrono::steady_clock::now() + kSetUpTime) {}

void SpawnJob::start() {
  auto ordered = orderVolume();
  if (!ordered) return giveUp(std::move(ordered).error());
  if (*ordered) return;
  if (auto started = tryStart(); !started) giveUp(std::move(started).error());
}

// True: the room is begun when it is there. A bound that this machine cannot give is said to be missing, as any limit
// without its controller; encryption is no bound, and nothing takes its place.
Result<bool> SpawnJob::orderVolume() {
  const Limits& limits = allowed_.plan.limits;
  auto home = std::ranges::find(allowed_.mounts, kHomeTarget, [](const auto& entry) { return entry.mount.target; });
  if (!limits.scratchQuota || home == allowed_.mounts.end()) return false;
  const std::string why = limits.scratchEncrypted ? whyNoEncryption() : whyNoVolumes();
  if (!why.empty() && limits.scratchEncrypted)
    return fail(ErrorCode::kSandboxSetup, "an encrypted scratch: " + why, "a machine that gives it");
  if (!why.empty()) {
    noScratch_ = why;
    return false;
  }
  step_ = Step::kVolume;
  deadline_ = std::chrono::steady_clock::now() + kVolumeTime;
  host_.volumes->open(ticket_, {.agent = std::string(agentOf(id())),
                                .size = *limits.scratchQuota,
                                .encrypted = limits.scratchEncrypted,
                                .owner = home->owner,
                                .group = home->group});
  return true;
}

void SpawnJob::onVolume(Result<Fd> tree) {
  if (step_ != Step::kVolume) return;  // given up meanwhile: it goes with its descriptor
  if (!tree) return giveUp(std::move(tree).error().within("the scratch"));
  volume_ = *std::move(tree);
  step_ = Step::kBearing;
  deadline_ = std::chrono::steady_clock::now() + kSetUpTime;
  if (auto started = tryStart(); !started) giveUp(std::move(started).error());
}

Result<void> SpawnJob::tryStart() {
  AGENTOS_CHECK(bearChild());
  auto placed = placeChild();
  Cloner::place(*birth_, placed ? groups_.sup.duplicate() : Fd());
  AGENTOS_CHECK(placed);
  std::vector<std::string> disks;
  if (allowed_.plan.limits.ioMax.any()) disks = disksOf(filesOf(host_, allowed_));
  AGENTOS_TRY(enforcement_, applyLimits(groups_, host_.controllers, allowed_.plan.limits, disks));
  AGENTOS_CHECK(sayClass());
  sayScratch();
  AGENTOS_TRY(recordDir_, openRecordDir(host_, id()));
  return {};
}

void SpawnJob::sayScratch() {
  const Limits& limits = allowed_.plan.limits;
  if (!limits.scratchQuota) return;
  if (!volume_) return enforcement_.missing.push_back("scratch (" + noScratch_ + ")");
  enforcement_.enforced.push_back("scratch=" + std::to_string(limits.scratchQuota->count));
  if (limits.scratchEncrypted) enforcement_.enforced.emplace_back("scratch encrypted");
}

// What is said here and cannot be given when the payload is there refuses the spawn (goWhenReady).
Result<void> SpawnJob::sayClass() {
  const RoomPlan& plan = allowed_.plan;
  if (plan.cpuBurst) AGENTOS_CHECK(allowBurst(groups_, host_.controllers, plan.limits, enforcement_));
  if (plan.batch) enforcement_.enforced.emplace_back("SCHED_BATCH");
  if (plan.realTime) enforcement_.enforced.push_back("SCHED_DEADLINE=" + formatReservation(*plan.realTime));
  return {};
}

// Its other namespaces are the child's to make, in its own time.
Result<void> SpawnJob::bearChild() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return failStep("socketpair");
  sync_.reset(pair[0]);
  Fd theirs(pair[1]);
  birth_ = std::make_shared<Birth>(makeChildPlan(host_, allowed_), std::move(theirs));
  return host_.cloner->bear(birth_);
}

Result<void> SpawnJob::placeChild() {
  AGENTOS_TRY(groups_, makeInstanceGroups(host_.keeper.get(), id(), host_.controllers));
  madeGroups_ = true;
  AGENTOS_TRY(slot_, host_.slots->take(id()));
  return {};
}

Result<void> SpawnJob::onBorn() {
  identity_.pid = birth_->pid;
  pidfd_ = birth_->takePidfd();
  birth_.reset();
  step_ = Step::kBuilding;
  faultPoint("sandbox.spawn.cloned");
  letLock();
  AGENTOS_CHECK(mapIds());
  shareProcessors();
  AGENTOS_CHECK(record());
  // The child lays the ground meanwhile.
  AGENTOS_CHECK(sendParts());
  AGENTOS_CHECK(host_.slots->sign(slot_, id()));
  slot_.lock.reset();  // agent-init has it
  faultPoint("sandbox.spawn.mapped");
  return {};
}

// agent-init's own limit, which the payload inherits: nothing in a room may raise one.
void SpawnJob::letLock() {
  const auto locked = lockedMemoryOf(allowed_.plan);
  if (!locked) return;
  if (letLockMemory(identity_.pid, *locked)) {
    enforcement_.enforced.push_back("RLIMIT_MEMLOCK=" + std::to_string(*locked));
  } else {
    enforcement_.missing.emplace_back("locked memory (raising RLIMIT_MEMLOCK needs CAP_SYS_RESOURCE)");
  }
}

Result<void> SpawnJob::mapIds() {
  std::string map = "0 " + std::to_string(host_.firstId(slot_.number)) + " " + std::to_string(kIdsPerRoom) + "\n";
  for (const char* file : {"uid_map", "gid_map"}) {
    if (!isDown("userns")) AGENTOS_CHECK(writeProc(identity_.pid, file, map));
  }
  char mapped = kChildMapped;
  AGENTOS_CHECK(sendPacket(sync_.get(), {&mapped, 1}));
  return {};
}

// Before agent-init has made the payload, which inherits it. A wish: cpu.max is what holds.
void SpawnJob::shareProcessors() {
  const auto& wanted = allowed_.plan.limits.cpus;
  // A thread that is pinned cannot have a deadline: the kernel places it.
  if (!wanted || allowed_.plan.realTime) return;
  const auto cpus = host_.cpus.take(static_cast<std::size_t>(*wanted));
  if (cpus.empty()) {
    enforcement_.enforced.emplace_back("affinity=all");
  } else if (runOn(identity_.pid, cpus)) {
    enforcement_.enforced.push_back("affinity=" + listed(cpus));
  } else {
    enforcement_.missing.push_back(std::string("affinity (") + std::strerror(errno) +
                                   ")");  // NOLINT(concurrency-mt-unsafe)
  }
}

// As early as what it says is known: the disk works meanwhile.
Result<void> SpawnJob::record() {
  AGENTOS_CHECK(identify());
  std::string record = allowed_.plan.launchRecord + "\n" + formatLaunchFacts({identity_, enforcement_}) + "\n";
  host_.records->write(ticket_, recordDir_.duplicate(), std::move(record));
  recordPending_ = true;
  return {};
}

Result<void> SpawnJob::sendParts() {
  AGENTOS_TRY(auto parts,
              makeRoomParts(host_, allowed_, groups_, slot_, recordDir_.get(), enforcement_, std::move(volume_)));
  std::vector<int> fds;
  fds.reserve(parts.fds.size());
  for (const auto& fd : parts.fds) fds.push_back(fd.get());
  AGENTOS_TRY(bool sent, sendPacket(sync_.get(), parts.letters, fds));
  if (!sent) return fail(ErrorCode::kSandboxSetup, "the child's socket is full");
  return {};
}

Result<void> SpawnJob::identify() {
  AGENTOS_TRY(identity_.startTicks, startTicksOf(identity_.pid));
  identity_.bootId = host_.bootId;
  identity_.cgroupInode = groups_.inode;
  identity_.slot = slot_.number;
  return {};
}

void SpawnJob::onReady() {
  auto received = receivePacket(sync_.get(), kMaxWord, kMaxListeners);
  if (received && !*received) return;
  if (step_ == Step::kGone) {
    // S, or F with what exit.json says as well, or the end of the room.
    step_ = Step::kDone;
    if (received && (*received)->bytes.starts_with(kSyncFailed)) {
      logLine(id().str() + ": the payload did not start: " + (*received)->bytes.substr(1));
    }
    return;
  }
  if (!received) {
    bool building = step_ != Step::kStarting;
    return giveUp(std::move(received).error().within(building ? "building the room" : "starting agent-init"));
  }
  Packet packet = **std::move(received);
  char letter = packet.bytes.empty() ? '\0' : packet.bytes[0];
  if (step_ == Step::kBearing && letter == kChildBorn) {
    if (auto going = onBorn(); !going) giveUp(lastWordsOr(std::move(going).error()));
    return;
  }
  if (step_ == Step::kBuilding && letter == kChildBuilt) return onBuilt(packet);
  onWord(letter, packet.bytes);
}

// A child that ended meanwhile takes nothing more; why it ended lies in the socket.
Error SpawnJob::lastWordsOr(Error error) {
  auto last = receivePacket(sync_.get(), kMaxWord, kMaxListeners);
  if (!last || !*last || !(*last)->bytes.starts_with(kChildFailed)) return error;
  return childError(std::string_view((*last)->bytes).substr(1));
}

void SpawnJob::onBuilt(Packet& packet) {
  if (packet.fds.size() != allowed_.plan.listenPorts.size()) {
    return giveUp(
        fail(ErrorCode::kSandboxSetup, "the child sent " + std::to_string(packet.fds.size()) + " listeners").error());
  }
  listeners_ = std::move(packet.fds);
  step_ = Step::kStarting;
}

void SpawnJob::onWord(char letter, std::string_view text) {
  if (letter == kChildFailed && step_ != Step::kStarting) return giveUp(childError(text.substr(1)));
  if (letter == kSyncReady && step_ == Step::kStarting) {
    initReady_ = true;
    return goWhenReady();
  }
  std::string what = letter == kSyncFailed ? std::string(text.substr(1)) : "an unexpected word from the room";
  giveUp(fail(ErrorCode::kSandboxSetup, std::move(what)).error().within("starting agent-init"));
}

void SpawnJob::onRecord(Result<void> result) {
  recordPending_ = false;
  if (step_ == Step::kDone) {
    // Given up meanwhile: no record of a room that never was. (One that was there before is not ours to remove.)
    if (result) ::unlinkat(recordDir_.get(), kLaunchFile, 0);
    return;
  }
  if (!result) return giveUp(std::move(result).error().within("writing the launch record"));
  faultPoint("sandbox.spawn.recorded");
  recorded_ = true;
  goWhenReady();
}

void SpawnJob::goWhenReady() {
  if (!recorded_ || !initReady_) return;
  auto control = connectTo(host_.sockets.get(), socketName(id()));
  if (!control) return giveUp(std::move(control).error().within("reaching agent-init"));
  if (const auto& wanted = allowed_.plan.realTime) {
    auto given = giveRealTime(host_.policy, host_.keeper.get(), groups_, *wanted);
    if (!given) return giveUp(std::move(given).error().within("real time for " + id().str()));
  }
  char go = kSyncGo;
  auto sent = sendPacket(sync_.get(), {&go, 1});
  if (!sent || !*sent) return giveUp(fail(ErrorCode::kSandboxSetup, "agent-init does not take the go").error());
  faultPoint("sandbox.spawn.went");
  std::vector<Fd> fds;
  fds.push_back(std::move(pidfd_));
  fds.push_back(*std::move(control));
  auto listeners = static_cast<std::uint32_t>(listeners_.size());
  for (auto& fd : listeners_) fds.push_back(std::move(fd));
  listeners_.clear();
  answer_(RoomReply{identity_, enforcement_, listeners}, std::move(fds));
  step_ = Step::kGone;
  deadline_ = std::chrono::steady_clock::now() + kSetUpTime;
}

void SpawnJob::onWake() {
  if (step_ == Step::kGone) {
    step_ = Step::kDone;  // it runs; what it has to say about its start is in its exit record
    return;
  }
  giveUp(fail(ErrorCode::kTimedOut,
              step_ == Step::kVolume     ? "the scratch was not mounted in 12 s"
              : step_ != Step::kStarting ? "the room was not built in 5 s"
                                         : "agent-init was not ready in 5 s",
              "look for a file system that hangs")
             .error());
}

void SpawnJob::giveUp(Error error) {
  failed_ = true;
  step_ = Step::kDone;
  deadline_ = LoopTime::max();
  if (recorded_) ::unlinkat(recordDir_.get(), kLaunchFile, 0);
  logLine(id().str() + ": " + error.message());
  answer_(std::move(error), {});
}

}  // namespace agentos::sandbox
