// SPDX-License-Identifier: Apache-2.0
// Names and ids, each a type of its own, checked once, at the edge. An id that was parsed can be used as a file name.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace agentos {

// A value of Id<Kind> came out of Kind's parse and is well formed; the empty one says "none".
template <class Kind>
class Id {
 public:
  Id() = default;
  static Result<Id> parse(std::string_view text) {
    AGENTOS_CHECK(Kind::check(text));
    return Id(std::string(text));
  }
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  explicit Id(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

struct AgentNameKind {  // [a-z0-9] then [a-z0-9._-], at most 63, no "..": the contract's `name`
  static Result<void> check(std::string_view text);
};
struct InstanceIdKind {  // <agent name>.<six of a-z2-7>: one execution of an agent in a room; also the run id
  static Result<void> check(std::string_view text);
};
struct TaskIdKind {  // task-YYYY-MMDD-NNN, three digits or more
  static Result<void> check(std::string_view text);
};
struct MessageIdKind {  // msg-YYYY-MMDD-NNN
  static Result<void> check(std::string_view text);
};

using AgentName = Id<AgentNameKind>;
using InstanceId = Id<InstanceIdKind>;
using TaskId = Id<TaskIdKind>;
using MessageId = Id<MessageIdKind>;

// "maker.k3x9q2" → "maker".
std::string_view agentOf(const InstanceId& id);

// Takes the next free "<prefix>-YYYY-MMDD-NNN" for the local date by creating `<dir>/<id>.md` exclusively (O_EXCL), so
// that two callers never get the same one. `taken(id)` may veto a number used elsewhere. Returns the id; the file is
// created empty and is the caller's to replace.
Result<std::string> takeDailyId(int dirFd, std::string_view prefix, std::string_view date,
                                const std::function<bool(std::string_view)>& taken);

// Makes the directory `<agent>.<random>` below dirFd (mkdirat, 0750) and returns the id that the name became.
Result<InstanceId> takeInstanceId(int dirFd, const AgentName& agent);

// `count` characters of a-z2-7 from the kernel's random source.
std::string randomToken(std::size_t count);

}  // namespace agentos

template <class Kind>
struct std::hash<agentos::Id<Kind>> {
  std::size_t operator()(const agentos::Id<Kind>& id) const { return std::hash<std::string>{}(id.str()); }
};
