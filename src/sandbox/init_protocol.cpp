// SPDX-License-Identifier: Apache-2.0
#include "sandbox/init_protocol.h"

#include <algorithm>

#include "sandbox/wire.h"

namespace agentos::sandbox {
namespace {

bool holdsNul(std::string_view text) { return text.find('\0') != std::string_view::npos; }
bool isAbsolute(std::string_view path) { return path.starts_with('/') && !holdsNul(path); }

// Why this is no plan, empty when it is one.
std::string faultOf(const InitPlan& plan) {
  if (plan.argv.empty()) return "no argv";
  if (!isAbsolute(plan.argv.front())) return "argv[0] \"" + plan.argv.front() + "\" is not an absolute path";
  if (!isAbsolute(plan.workDir)) return "workDir \"" + plan.workDir + "\" is not an absolute path";
  if (std::ranges::any_of(plan.argv, holdsNul) || std::ranges::any_of(plan.env, holdsNul)) return "a NUL in a string";
  if (std::ranges::any_of(plan.env, [](const std::string& e) { return e.find('=') == 0 || e.find('=') == e.npos; })) {
    return "an environment entry without a name or without '='";
  }
  if (plan.uid == 0 || plan.gid == 0) return "uid or gid 0 for the payload";
  if (plan.logRotateAt < 4096) return "logRotateAt " + std::to_string(plan.logRotateAt) + " is below 4096";
  if (plan.logKeep > 1000) return "logKeep " + std::to_string(plan.logKeep) + " is above 1000";
  if (plan.listeners > kMaxListeners) return std::to_string(plan.listeners) + " listeners";
  return {};
}

InitRlimit readRlimit(Reader& in) {
  InitRlimit limit;
  limit.resource = in.u32();
  limit.soft = in.u64();
  limit.hard = in.u64();
  if (limit.soft > limit.hard) in.refuse("a soft limit above its hard limit");
  return limit;
}

// An enumerator between kFirst and kLast.
template <class Enum>
Enum readEnum(Reader& in, Enum first, Enum last) {
  std::uint8_t value = in.u8();
  if (value < static_cast<std::uint8_t>(first) || value > static_cast<std::uint8_t>(last)) {
    in.refuse("an unknown kind " + std::to_string(value));
    return first;
  }
  return static_cast<Enum>(value);
}

}  // namespace

std::string encodeInitPlan(const InitPlan& plan) {
  Writer out;
  out.u32(kInitVersion);
  out.strings(plan.argv);
  out.strings(plan.env);
  out.string(plan.workDir);
  out.u32(plan.uid);
  out.u32(plan.gid);
  out.list(plan.rlimits, [&](const InitRlimit& limit) {
    out.u32(limit.resource);
    out.u64(limit.soft);
    out.u64(limit.hard);
  });
  out.u64(plan.logRotateAt);
  out.u32(plan.logKeep);
  out.u32(plan.listeners);
  out.boolean(plan.nestedUserns);
  out.boolean(plan.seccomp);
  out.boolean(plan.batch);
  out.strings(plan.readable);
  out.strings(plan.writable);
  return out.take();
}

Result<InitPlan> decodeInitPlan(std::string_view bytes) {
  Reader in(bytes);
  if (std::uint32_t version = in.u32(); version != kInitVersion) in.refuse("version " + std::to_string(version));
  InitPlan plan;
  plan.argv = in.strings();
  plan.env = in.strings();
  plan.workDir = in.string();
  plan.uid = in.u32();
  plan.gid = in.u32();
  plan.rlimits = in.list(32, [&] { return readRlimit(in); });
  plan.logRotateAt = in.u64();
  plan.logKeep = in.u32();
  plan.listeners = in.u32();
  plan.nestedUserns = in.boolean();
  plan.seccomp = in.boolean();
  plan.batch = in.boolean();
  plan.readable = in.strings(64);
  plan.writable = in.strings(64);
  if (in.ok()) {
    if (std::string fault = faultOf(plan); !fault.empty()) in.refuse(std::move(fault));
  }
  AGENTOS_CHECK(in.finish("init plan"));
  return plan;
}

std::string encodeInitRequest(const InitRequest& request) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(request.kind));
  if (request.kind == InitRequestKind::kSignal) out.u32(request.signal);
  return out.take();
}

Result<InitRequest> decodeInitRequest(std::string_view bytes) {
  Reader in(bytes);
  InitRequest request;
  request.kind = readEnum(in, InitRequestKind::kHello, InitRequestKind::kExit);
  if (request.kind == InitRequestKind::kSignal) {
    request.signal = in.u32();
    if (request.signal < 1 || request.signal > 64) in.refuse("a signal " + std::to_string(request.signal));
  }
  AGENTOS_CHECK(in.finish("request to agent-init"));
  return request;
}

std::string encodeInitReply(const InitReply& reply) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(reply.kind));
  switch (reply.kind) {
    case InitReplyKind::kHello:
      out.u32(reply.version);
      out.i32(reply.pid);
      out.i64(reply.startedNs);
      out.u8(static_cast<std::uint8_t>(reply.state));
      break;
    case InitReplyKind::kListeners:
      out.u32(reply.listeners);
      break;
    case InitReplyKind::kRefused:
      out.string(reply.why);
      break;
    case InitReplyKind::kDone:
      break;
  }
  return out.take();
}

Result<InitReply> decodeInitReply(std::string_view bytes) {
  Reader in(bytes);
  InitReply reply;
  reply.kind = readEnum(in, InitReplyKind::kHello, InitReplyKind::kRefused);
  switch (reply.kind) {
    case InitReplyKind::kHello:
      reply.version = in.u32();
      reply.pid = in.i32();
      reply.startedNs = in.i64();
      reply.state = readEnum(in, PayloadState::kStarting, PayloadState::kEnded);
      break;
    case InitReplyKind::kListeners:
      reply.listeners = in.u32();
      if (reply.listeners > kMaxListeners) in.refuse(std::to_string(reply.listeners) + " listeners");
      break;
    case InitReplyKind::kRefused:
      reply.why = in.string();
      break;
    case InitReplyKind::kDone:
      break;
  }
  AGENTOS_CHECK(in.finish("reply of agent-init"));
  return reply;
}

}  // namespace agentos::sandbox
