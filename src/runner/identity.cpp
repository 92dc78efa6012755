// SPDX-License-Identifier: Apache-2.0
#include "runner/identity.h"

#include <algorithm>

#include "base/text.h"

namespace agentos::runner {
namespace {

const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}
std::string text(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }
std::optional<std::int64_t> number(const Json& value) {
  return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
}

std::unexpected<Error> unreached(const std::string& path, const Reply& reply) {
  return fail(ErrorCode::kUnreachable, "GET " + path + ": " + reply.message(),
              "agent-runner runs in a room, where agentd's gateway listens");
}

}  // namespace

bool Identity::mayUse(std::string_view tool) const {
  return std::ranges::any_of(capabilities, [&](const std::string& pattern) { return matchesPattern(pattern, tool); });
}

Result<Identity> fetchIdentity(GatewayClient& gateway) {
  const Reply reply = gateway.get("/self");
  if (!reply.ok() || !reply.body.is_object()) return unreached("/self", reply);
  const Json& contract = at(reply.body, "contract");
  const Json& budget = at(reply.body, "budget");
  Identity self{.id = text(at(reply.body, "id")),
                .agent = text(at(reply.body, "agent")),
                .capabilities = {},
                .maxTurns = number(at(contract, "max_turns")),
                .maxContextTokens = number(at(contract, "max_context_tokens")),
                .leftMicroUsd = number(at(budget, "left_micro_usd")),
                .turnsUsed = number(at(budget, "turns_used")).value_or(0),
                .deadline = {}};
  for (const Json& capability : at(contract, "capabilities"))
    if (capability.is_string()) self.capabilities.push_back(capability.get<std::string>());
  if (const auto deadline = parseTimestamp(text(at(reply.body, "deadline")))) self.deadline = *deadline;
  return self;
}

Result<std::optional<OwnTask>> fetchTask(GatewayClient& gateway) {
  const Reply reply = gateway.get("/self/task");
  if (reply.status == 404) return std::nullopt;
  if (!reply.ok() || !reply.body.is_object()) return unreached("/self/task", reply);
  return OwnTask{text(at(reply.body, "id")), text(at(reply.body, "title"))};
}

}  // namespace agentos::runner
