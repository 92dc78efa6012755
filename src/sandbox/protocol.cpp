// SPDX-License-Identifier: Apache-2.0
#include "sandbox/protocol.h"

#include <optional>
#include <utility>

#include "sandbox/wire.h"

namespace agentos::sandbox {
namespace {

// Header: protocol u16, kind u8, number u64, body in a memfd bool. Then the body, unless it is in the memfd.
constexpr std::size_t kHeader = 2 + 1 + 8 + 1;

struct Header {
  std::uint8_t kind = 0;
  std::uint64_t number = 0;
  bool apart = false;
};

void putHeader(Writer& out, const Header& header) {
  out.u16(kSpawnerProtocol);
  out.u8(header.kind);
  out.u64(header.number);
  out.boolean(header.apart);
}

Result<Packet> pack(Header header, const std::string& body) {
  if (body.size() > kMaxBody) {
    return fail(ErrorCode::kTooLarge, "a message of " + std::to_string(body.size()) + " bytes",
                "at most " + std::to_string(kMaxBody));
  }
  Packet packet;
  header.apart = body.size() + kHeader > kMaxMessage;
  Writer out;
  putHeader(out, header);
  packet.bytes = out.take();
  if (!header.apart) {
    packet.bytes += body;
    return packet;
  }
  AGENTOS_TRY(Fd memfd, makeSealed("agentd-message", body));
  packet.fds.push_back(std::move(memfd));
  return packet;
}

// The header, and in `body` the rest: of the packet, or of the memfd that comes with it.
Result<Header> unpack(Packet& packet, std::string& body) {
  std::string_view bytes = packet.bytes;
  Reader in(bytes.substr(0, kHeader));
  std::uint16_t version = in.u16();
  Header header{in.u8(), in.u64(), in.boolean()};
  AGENTOS_CHECK(in.finish("message header"));
  if (version != kSpawnerProtocol) {
    return fail(ErrorCode::kSandboxProtocol, "a message of protocol " + std::to_string(version),
                "this side speaks " + std::to_string(kSpawnerProtocol) + ": restart the older one");
  }
  if (!header.apart) {
    body = bytes.substr(kHeader);
    return header;
  }
  if (packet.fds.empty() || bytes.size() != kHeader) {
    return fail(ErrorCode::kSandboxProtocol, "a message that says its body is in a memfd, and is not");
  }
  Fd memfd = std::move(packet.fds.front());
  packet.fds.erase(packet.fds.begin());
  AGENTOS_TRY(body, readSealed(memfd.get(), kMaxBody));
  return header;
}

// nothing: u8 0; a value: u8 1 and the value.
template <class Value, class Put>
void putOptional(Writer& out, const std::optional<Value>& value, Put put) {
  out.boolean(value.has_value());
  if (value) put(*value);
}
template <class Get>
auto getOptional(Reader& in, Get get) -> std::optional<decltype(get())> {
  if (!in.boolean()) return std::nullopt;
  return get();
}

void putLimits(Writer& out, const Limits& limits) {
  auto bytes = [&](Bytes value) { out.u64(value.count); };
  auto number = [&](std::int64_t value) { out.i64(value); };
  putOptional(out, limits.cpu, [&](MilliCpu value) { out.i64(value.count); });
  putOptional(out, limits.memory, bytes);
  putOptional(out, limits.swap, bytes);
  putOptional(out, limits.pids, number);
  putOptional(out, limits.cpuWeight, number);
  putOptional(out, limits.ioWeight, number);
  putOptional(out, limits.scratchQuota, bytes);
}

bool hasNewerLimits(const Limits& limits) {
  return limits.memoryHigh || limits.ioMax.any() || limits.cpus || limits.scratchEncrypted;
}

void putNewerLimits(Writer& out, const Limits& limits) {
  auto bytes = [&](Bytes value) { out.u64(value.count); };
  auto number = [&](std::int64_t value) { out.i64(value); };
  putOptional(out, limits.memoryHigh, bytes);
  putOptional(out, limits.ioMax.read, bytes);
  putOptional(out, limits.ioMax.write, bytes);
  putOptional(out, limits.ioMax.readOps, number);
  putOptional(out, limits.ioMax.writeOps, number);
  putOptional(out, limits.cpus, number);
  out.boolean(limits.scratchEncrypted);
}

Limits getLimits(Reader& in) {
  auto bytes = [&] { return Bytes{in.u64()}; };
  auto number = [&] { return in.i64(); };
  Limits limits;
  limits.cpu = getOptional(in, [&] { return MilliCpu{in.i64()}; });
  limits.memory = getOptional(in, bytes);
  limits.swap = getOptional(in, bytes);
  limits.pids = getOptional(in, number);
  limits.cpuWeight = getOptional(in, number);
  limits.ioWeight = getOptional(in, number);
  limits.scratchQuota = getOptional(in, bytes);
  return limits;
}

void getNewerLimits(Reader& in, Limits& limits) {
  auto bytes = [&] { return Bytes{in.u64()}; };
  auto number = [&] { return in.i64(); };
  limits.memoryHigh = getOptional(in, bytes);
  limits.ioMax.read = getOptional(in, bytes);
  limits.ioMax.write = getOptional(in, bytes);
  limits.ioMax.readOps = getOptional(in, number);
  limits.ioMax.writeOps = getOptional(in, number);
  limits.cpus = getOptional(in, number);
  limits.scratchEncrypted = in.boolean();
}

// Bits of a mount's last byte, which was a boolean before there were overlays: both sides of an upgrade read the rest.
constexpr unsigned kOptional = 1, kOverlay = 2;

void putMount(Writer& out, const RoomMount& mount) {
  out.string(mount.source);
  out.string(mount.target);
  out.boolean(mount.writable);
  out.boolean(mount.idmapped);
  out.u8(static_cast<std::uint8_t>((mount.optional ? kOptional : 0) | (mount.layers.empty() ? 0 : kOverlay)));
  if (!mount.layers.empty()) out.string(mount.layers);
}

RoomMount getMount(Reader& in) {
  RoomMount mount;
  mount.source = in.string();
  mount.target = in.string();
  mount.writable = in.boolean();
  mount.idmapped = in.boolean();
  const std::uint8_t bits = in.u8();
  if (bits > (kOptional | kOverlay)) in.refuse("a mount of an unknown kind");
  mount.optional = (bits & kOptional) != 0;
  if ((bits & kOverlay) != 0) mount.layers = in.string();
  return mount;
}

InstanceId getInstance(Reader& in) {
  auto id = InstanceId::parse(in.string());
  if (id) return *std::move(id);
  in.refuse("no instance id: " + id.error().what);
  return {};
}

// At the end, and only where there is something to say: a side of the version before takes the rest as it is.
void putNewer(Writer& out, const RoomPlan& plan) {
  const bool limits = hasNewerLimits(plan.limits);
  if (!plan.realTime && !plan.batch && !plan.cpuBurst && !limits) return;
  out.boolean(plan.batch), out.boolean(plan.cpuBurst);
  putOptional(out, plan.realTime,
              [&](const Reservation& one) { out.i64(one.runtimeNs), out.i64(one.deadlineNs), out.i64(one.periodNs); });
  if (limits) putNewerLimits(out, plan.limits);
}

void getNewer(Reader& in, RoomPlan& plan) {
  if (!in.more()) return;
  plan.batch = in.boolean(), plan.cpuBurst = in.boolean();
  plan.realTime = getOptional(in, [&] {
    Reservation one;
    one.runtimeNs = in.i64(), one.deadlineNs = in.i64(), one.periodNs = in.i64();
    return one;
  });
  if (in.more()) getNewerLimits(in, plan.limits);
}

void putPlan(Writer& out, const RoomPlan& plan) {
  out.string(plan.id.str());
  out.strings(plan.command);
  out.list(plan.env, [&](const auto& variable) { out.string(variable.first), out.string(variable.second); });
  out.string(plan.workDir);
  out.string(plan.hostName);
  out.list(plan.mounts, [&](const RoomMount& mount) { putMount(out, mount); });
  out.list(plan.listenPorts, [&](std::uint16_t port) { out.u16(port); });
  putLimits(out, plan.limits);
  out.u64(plan.logRotateAt.count);
  out.i64(plan.logKeep);
  out.boolean(plan.nestedUserns);
  out.string(plan.launchRecord);
  putNewer(out, plan);
}

RoomPlan getPlan(Reader& in) {
  RoomPlan plan;
  plan.id = getInstance(in);
  plan.command = in.strings();
  plan.env = in.list(4096, [&] {
    std::string name = in.string();
    return std::pair(std::move(name), in.string());
  });
  plan.workDir = in.string();
  plan.hostName = in.string();
  plan.mounts = in.list(256, [&] { return getMount(in); });
  plan.listenPorts = in.list(256, [&] { return in.u16(); });
  plan.limits = getLimits(in);
  plan.logRotateAt = Bytes{in.u64()};
  plan.logKeep = in.i64();
  plan.nestedUserns = in.boolean();
  plan.launchRecord = in.string();
  getNewer(in, plan);
  return plan;
}

void putIdentity(Writer& out, const ProcessIdentity& identity) {
  out.i32(identity.pid);
  out.u64(identity.startTicks);
  out.string(identity.bootId);
  out.u64(identity.cgroupInode);
  out.u32(identity.slot);
}

ProcessIdentity getIdentity(Reader& in) {
  ProcessIdentity identity;
  identity.pid = in.i32();
  identity.startTicks = in.u64();
  identity.bootId = in.string();
  identity.cgroupInode = in.u64();
  identity.slot = in.u32();
  return identity;
}

// The hash goes into a line of root's file: nothing but lower-case hex of its length gets there.
LogHead getHead(Reader& in) {
  LogHead head{in.u64(), in.string()};
  if (head.hash.size() != 64 || head.hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
    in.refuse("no SHA-256 in hex");
  }
  return head;
}

// One writer a kind of body; the variant's index is the kind on the wire.
struct ReplyWriter {
  Writer& out;
  void operator()(std::monostate) const {}
  void operator()(const Error& error) const {
    out.string(infoOf(error.code).name);
    out.string(error.what);
    out.string(error.remedy);
    out.i32(error.sysErrno);
    out.strings(error.context);
  }
  void operator()(const PlatformReport& report) const {
    out.string(report.cgroupMode);
    out.string(report.cgroupRoot);
    out.strings(report.controllers);
    out.i32(report.landlockAbi);
    out.boolean(report.idmappedMounts);
    out.string(report.kernel);
    out.strings(report.warnings);
    out.i64(report.realTime.cpus), out.i64(report.realTime.sharePpm), out.string(report.realTime.why);
    out.boolean(report.overlayMounts);
    out.string(report.noVolumes), out.string(report.noEncryption);
  }
  void operator()(const RoomReply& room) const {
    putIdentity(out, room.identity);
    out.strings(room.enforcement.enforced);
    out.strings(room.enforcement.substituted);
    out.strings(room.enforcement.missing);
    out.u32(room.listeners);
  }
  void operator()(const std::vector<LiveRoom>& rooms) const {
    out.list(rooms, [this](const LiveRoom& room) {
      out.string(room.id.str());
      out.i32(room.initPid);
      out.boolean(room.frozen);
      out.i64(room.processes);
    });
  }
  void operator()(const std::vector<std::int32_t>& pids) const {
    out.list(pids, [this](std::int32_t pid) { out.i32(pid); });
  }
};

Error getError(Reader& in) {
  Error error;
  const ErrorCodeInfo* code = findErrorCode(in.string());
  if (code != nullptr) error.code = code->code;
  error.what = in.string();
  error.remedy = in.string();
  error.sysErrno = in.i32();
  error.context = in.strings(64);
  return error;
}

PlatformReport getPlatform(Reader& in) {
  PlatformReport report;
  report.cgroupMode = in.string();
  report.cgroupRoot = in.string();
  report.controllers = in.strings(64);
  report.landlockAbi = in.i32();
  report.idmappedMounts = in.boolean();
  report.kernel = in.string();
  report.warnings = in.strings(64);
  if (in.more())
    report.realTime.cpus = in.i64(), report.realTime.sharePpm = in.i64(), report.realTime.why = in.string();
  if (in.more()) report.overlayMounts = in.boolean();
  if (in.more()) report.noVolumes = in.string(), report.noEncryption = in.string();
  return report;
}

RoomReply getRoom(Reader& in) {
  RoomReply room;
  room.identity = getIdentity(in);
  room.enforcement.enforced = in.strings(64);
  room.enforcement.substituted = in.strings(64);
  room.enforcement.missing = in.strings(64);
  room.listeners = in.u32();
  return room;
}

LiveRoom getLiveRoom(Reader& in) {
  LiveRoom room;
  room.id = getInstance(in);
  room.initPid = in.i32();
  room.frozen = in.boolean();
  room.processes = in.i64();
  return room;
}

constexpr std::uint32_t kMaxItems = kMaxBody / 4;

}  // namespace

std::string formatReservation(const Reservation& one) {
  auto us = [](std::int64_t ns) { return std::to_string(ns / 1000); };
  return us(one.runtimeNs) + "/" + us(one.deadlineNs) + "/" + us(one.periodNs) + " us";
}

std::string_view nameOf(RequestKind kind) {
  switch (kind) {
    case RequestKind::kPlatform:
      return "platform";
    case RequestKind::kSpawn:
      return "spawn";
    case RequestKind::kAdopt:
      return "adopt";
    case RequestKind::kList:
      return "list";
    case RequestKind::kFreeze:
      return "freeze";
    case RequestKind::kThaw:
      return "thaw";
    case RequestKind::kKill:
      return "kill";
    case RequestKind::kSweep:
      return "sweep";
    case RequestKind::kProcesses:
      return "processes";
    case RequestKind::kAnchor:
      return "anchor";
    case RequestKind::kReload:
      return "reload";
    case RequestKind::kPressure:
      return "pressure";
    case RequestKind::kFreezeAll:
      return "freeze all";
    case RequestKind::kKillAll:
      return "kill all";
    case RequestKind::kWatchLimits:
      return "watch-limits";
  }
  return "unknown";
}

Result<Packet> packRequest(const Request& request) {
  Writer out;
  switch (request.kind) {
    case RequestKind::kPlatform:
    case RequestKind::kList:
    case RequestKind::kReload:
    case RequestKind::kFreezeAll:
    case RequestKind::kKillAll:
      break;
    case RequestKind::kAnchor:
      out.u64(request.head.sequence), out.string(request.head.hash);
      break;
    case RequestKind::kPressure:
      out.i64(request.pressure.memoryUs), out.i64(request.pressure.cpuUs);
      break;
    case RequestKind::kSpawn:
      putPlan(out, request.plan);
      break;
    case RequestKind::kAdopt:
      out.string(request.id.str()), putIdentity(out, request.identity);
      break;
    default:
      out.string(request.id.str());
  }
  return pack({std::to_underlying(request.kind), request.number, false}, out.take());
}

Result<Request> unpackRequest(Packet& packet) {
  std::string body;
  AGENTOS_TRY(Header header, unpack(packet, body));
  if (header.kind < std::to_underlying(RequestKind::kPlatform) ||
      header.kind > std::to_underlying(RequestKind::kWatchLimits)) {
    return fail(ErrorCode::kSandboxProtocol, "a request of kind " + std::to_string(header.kind), "1 to 15");
  }
  Request request;
  request.number = header.number;
  request.kind = static_cast<RequestKind>(header.kind);
  Reader in(body);
  switch (request.kind) {
    case RequestKind::kPlatform:
    case RequestKind::kList:
    case RequestKind::kReload:
    case RequestKind::kFreezeAll:
    case RequestKind::kKillAll:
      break;
    case RequestKind::kAnchor:
      request.head = getHead(in);
      break;
    case RequestKind::kPressure:
      request.pressure.memoryUs = in.i64(), request.pressure.cpuUs = in.i64();
      break;
    case RequestKind::kSpawn:
      request.plan = getPlan(in);
      break;
    case RequestKind::kAdopt:
      request.id = getInstance(in), request.identity = getIdentity(in);
      break;
    default:
      request.id = getInstance(in);
  }
  AGENTOS_CHECK(in.finish(nameOf(request.kind)));
  return request;
}

Result<Packet> packReply(const Reply& reply) {
  Writer out;
  std::visit(ReplyWriter{out}, reply.body);
  return pack({static_cast<std::uint8_t>(reply.body.index()), reply.number, false}, out.take());
}

Result<Reply> unpackReply(Packet& packet) {
  std::string body;
  AGENTOS_TRY(Header header, unpack(packet, body));
  Reply reply;
  reply.number = header.number;
  Reader in(body);
  switch (header.kind) {
    case 0:
      break;
    case 1:
      reply.body = getError(in);
      break;
    case 2:
      reply.body = getPlatform(in);
      break;
    case 3:
      reply.body = getRoom(in);
      break;
    case 4:
      reply.body = in.list(kMaxItems, [&] { return getLiveRoom(in); });
      break;
    case 5:
      reply.body = in.list(kMaxItems, [&] { return in.i32(); });
      break;
    default:
      in.refuse("a reply of kind " + std::to_string(header.kind));
  }
  AGENTOS_CHECK(in.finish("reply"));
  return reply;
}

}  // namespace agentos::sandbox
