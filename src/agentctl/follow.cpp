// SPDX-License-Identifier: Apache-2.0
#include "agentctl/follow.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "agentctl/fields.h"

namespace agentos::agentctl {
namespace {

constexpr std::size_t kValue = 120;

// Whole values with -o wide and -o json; else what fits a line, and {…} for what is a document of its own.
std::string valueOf(const Json& data, const std::string& key, bool wide) {
  if (wide) return textOf(data, key);
  return data[key].is_object() ? "{…}" : shortened(textOf(data, key), kValue);
}

std::string dataLine(const Json& event, bool wide) {
  const Json* data = findField(event, "data");
  std::string line;
  if (data == nullptr || !data->is_object()) return line;
  for (const auto& member : data->items()) {
    line += (line.empty() ? "" : " ") + member.key() + "=" + valueOf(*data, member.key(), wide);
  }
  return line;
}

void showOne(Session& session, const Json& event) {
  auto line = eventLine(event, session.out().format() == Format::kWide);
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  session.out().record(event, line, "seq");
}

// The sequence of the newest event: what is followed begins after it.
Result<std::int64_t> headOf(Session& session) {
  AGENTOS_TRY(auto page, session.get("/v1/audit", {{"limit", "1"}}));
  const Json* items = findField(page, "items");
  if (items == nullptr || !items->is_array() || items->empty()) return 0;
  return integerOf(items->back(), "seq").value_or(0);
}

Result<std::int64_t> showNewest(Session& session, const EventsWanted& wanted) {
  if (wanted.count <= 0) return 0;
  Query query = wanted.filter;
  query.emplace_back("limit", std::to_string(std::min<std::int64_t>(wanted.count, 10'000)));
  AGENTOS_TRY(auto page, session.get("/v1/audit", query));
  std::int64_t last = 0;
  const Json* items = findField(page, "items");
  if (items == nullptr || !items->is_array()) return fail(ErrorCode::kInternal, "the answer to /v1/audit has no items");
  for (const auto& event : *items) {
    showOne(session, event);
    last = integerOf(event, "seq").value_or(last);
  }
  return last;
}

}  // namespace

bool isAway(const Error& error) {
  return error.code == ErrorCode::kUnreachable || error.code == ErrorCode::kUnavailable;
}

std::string eventLine(const Json& event, bool wide) {
  auto who = textOf(event, "instance");
  if (who.empty()) who = textOf(event, "agent");
  std::string line =
      fmt::format("{}  {:<22}  {:<18}", timeOf(event, "time"), textOf(event, "kind"), who.empty() ? "-" : who);
  if (auto task = textOf(event, "task"); !task.empty()) line += "  " + task;
  if (auto data = dataLine(event, wide); !data.empty()) line += "  " + data;
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

Result<int> keepFollowing(Session& session, const std::function<Result<void>()>& connect, const Following& following) {
  bool told = false;
  while (true) {
    auto ended = connect();
    if (ended && following.mayEnd) return 0;
    if (!ended && (!isAway(ended.error()) || !following.connected)) return std::unexpected(std::move(ended).error());
    if (!told) session.out().say("agentctl: agentd is away; waiting for it");
    told = true;
    std::this_thread::sleep_for(kRetry);
  }
}

Result<int> showEvents(Session& session, const EventsWanted& wanted) {
  std::int64_t head = 0;
  if (wanted.follow) {
    AGENTOS_TRY(head, headOf(session));
  }
  AGENTOS_TRY(auto shown, showNewest(session, wanted));
  if (!wanted.follow) return 0;
  std::string last = std::to_string(std::max(head, shown));
  bool connected = true;  // /v1/audit has just answered
  auto connect = [&] {
    return session.client().events({.path = "/v1/events", .query = wanted.filter, .lastEventId = last},
                                   [&](const client::ServerEvent& event) {
                                     if (auto parsed = parseJson(event.data)) showOne(session, *parsed);
                                     if (!event.id.empty()) last = event.id;
                                     return true;
                                   });
  };
  return keepFollowing(session, connect, {connected});
}

}  // namespace agentos::agentctl
