// SPDX-License-Identifier: Apache-2.0
// /self: what a run may know of itself and say about its work. Whose call it is, its listener says.
#include <fcntl.h>

#include <algorithm>

#include "agentd/api/views.h"
#include "agentd/gateway/room_calls.h"
#include "base/files.h"
#include "base/text.h"
#include "company/messages.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::Request;
using http::RequestPtr;
using http::Response;
namespace {

constexpr std::size_t kLongestLogText = 16 << 10;

std::string agentActor(const RoomView& room) { return "agent:" + room.id.str(); }

Json moneyLeft(const std::vector<models::CapLeft>& caps) {
  std::optional<std::int64_t> least;
  for (const auto& cap : caps) {
    if (cap.name.starts_with("tokens")) continue;
    least = std::min(least.value_or(cap.left().count), cap.left().count);
  }
  return least ? Json(*least) : Json(nullptr);
}

Result<Json> identity(const GatewayServices& services, const Caller& caller) {
  const contract::Contract& contract = *caller.room.contract;
  AGENTOS_TRY(auto caps, services.ledger.left(accountOf(caller.room), capsOf(contract, services.company)));
  auto number = [](const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); };
  Json models = Json::array(), bounds = Json::array();
  for (const auto& model : services.models.allowed(contract.modelPolicy.allow)) models.push_back(model.name);
  for (const auto& cap : caps) bounds.push_back(viewOf(cap));
  return Json{{"id", caller.room.id.str()},
              {"agent", agentOf(caller.room.id)},
              {"run", caller.room.id.str()},
              {"trace", textOrNull(caller.room.trace)},
              {"task", caller.room.claim ? Json(caller.room.claim->task.str()) : Json(nullptr)},
              {"contract",
               {{"name", contract.name.str()},
                {"digest", contract.digest},
                {"capabilities", contract.capabilities},
                {"max_turns", number(contract.budget.maxTurns)},
                {"max_context_tokens", number(contract.modelPolicy.maxContextTokens)}}},
              {"budget", {{"left_micro_usd", moneyLeft(caps)}, {"turns_used", caller.count->turns}, {"caps", bounds}}},
              {"started", formatUtc(caller.room.started)},
              {"deadline", timeOrNull(caller.room.deadline)},
              {"models", models}};
}

std::unexpected<Error> noTask() {
  return fail(ErrorCode::kNotFound, "this run has no task", "it was started without one");
}

Result<Json> task(const GatewayServices& services, const Caller& caller) {
  if (!caller.room.claim || services.queue == nullptr) return noTask();
  AGENTOS_TRY(auto found, services.queue->find(caller.room.claim->task));
  return Json{{"id", found.id.str()},
              {"title", found.title},
              {"epoch", caller.room.claim->epoch},
              {"fields", viewOf(found, false)},
              {"body", found.body}};
}

Result<std::string> outcomeOf(const Json& body) {
  constexpr std::string_view kOutcomes[] = {"success", "partial", "cancelled"};
  AGENTOS_TRY(auto outcome, http::stringOf(body, "outcome", "success"));
  if (std::ranges::find(kOutcomes, outcome) == std::end(kOutcomes)) {
    return fail(ErrorCode::kInvalidArgument, "outcome \"" + outcome + "\"",
                "success, partial or cancelled; what failed goes to /self/task/fail");
  }
  return outcome;
}

Result<Verdict> verdictOf(Verdict::Word word, const Json& body) {
  AGENTOS_CHECK(http::refuseUnknown(body, {"outcome", "handoff", "artifacts", "reason"}));
  Verdict verdict;
  verdict.word = word;
  if (word == Verdict::Word::kComplete) {
    AGENTOS_TRY(verdict.outcome, outcomeOf(body));
  }
  AGENTOS_TRY(verdict.handoff, handoffOf(body));
  AGENTOS_TRY(verdict.artifacts, http::stringsOf(body, "artifacts"));
  AGENTOS_TRY(verdict.reason, http::stringOf(body, "reason"));
  if (verdict.reason.empty() && (word == Verdict::Word::kFail || word == Verdict::Word::kRelease)) {
    return fail(ErrorCode::kInvalidArgument, "a task given up without a reason", "say why in \"reason\"");
  }
  return verdict;
}

Result<Json> giveWord(const GatewayServices& services, const Caller& caller, Verdict::Word word,
                      const Request& request) {
  if (!caller.room.claim) return noTask();
  AGENTOS_TRY(auto body, http::bodyObject(request));
  AGENTOS_TRY(auto verdict, verdictOf(word, body));
  AGENTOS_CHECK(services.supervisor.giveVerdict(caller.room.id, std::move(verdict)));
  services.supervisor.progress(caller.room.id);
  return Json{{"task", caller.room.claim->task.str()}, {"accepted", true}};
}

Result<void> noteDenial(const GatewayServices& services, const Caller& caller, std::string_view capability) {
  AGENTOS_CHECK(services.events.note({.kind = "denied",
                                      .actor = agentActor(caller.room),
                                      .agent = std::string(agentOf(caller.room.id)),
                                      .instance = caller.room.id.str(),
                                      .task = {},
                                      .contract = caller.room.contract->digest,
                                      .trace = caller.room.trace,
                                      .data = {{"capability", capability}}}));
  return {};
}

Result<void> mayUse(const GatewayServices& services, const Caller& caller, std::string_view capability) {
  const contract::Contract& contract = *caller.room.contract;
  bool allowed = !contract.isDemanded("capabilities") ||
                 std::ranges::any_of(contract.capabilities,
                                     [&](const std::string& pattern) { return matchesPattern(pattern, capability); });
  if (allowed) return {};
  if (caller.count->denials++ < kDenialsTold) AGENTOS_CHECK(noteDenial(services, caller, capability));
  return fail(ErrorCode::kDenied,
              "the contract of " + contract.name.str() + " does not grant " + std::string(capability),
              "add it to capabilities");
}

Result<Json> sendMail(const GatewayServices& services, const Caller& caller, const Request& request) {
  if (services.company == nullptr)
    return fail(ErrorCode::kUnavailable, "there is no company to send mail in", "start agentd with --company DIR");
  AGENTOS_CHECK(mayUse(services, caller, "message.send"));
  if (caller.count->mail >= kMailPerRun) {
    return fail(ErrorCode::kRefused, "this run has sent its " + std::to_string(kMailPerRun) + " messages",
                "say more in each");
  }
  AGENTOS_TRY(auto body, http::bodyObject(request));
  AGENTOS_CHECK(http::refuseUnknown(body, {"to", "subject", "body", "urgent"}));
  company::Message message;
  AGENTOS_TRY(message.to, http::requiredString(body, "to"));
  AGENTOS_TRY(message.subject, http::requiredString(body, "subject"));
  AGENTOS_TRY(message.body, http::stringOf(body, "body"));
  AGENTOS_TRY(message.urgent, http::boolOf(body, "urgent", false));
  message.from = agentOf(caller.room.id);
  if (caller.room.claim) message.task = caller.room.claim->task.str();
  std::string to = message.to, about = message.task;
  AGENTOS_TRY(auto id, company::sendMessage(*services.company, std::move(message), services.clock.now()));
  ++caller.count->mail;
  services.supervisor.progress(caller.room.id);
  AGENTOS_CHECK(services.events.record({.kind = "message.sent",
                                        .actor = agentActor(caller.room),
                                        .agent = std::string(agentOf(caller.room.id)),
                                        .instance = caller.room.id.str(),
                                        .task = about,
                                        .contract = {},
                                        .trace = caller.room.trace,
                                        .data = {{"id", id.str()}, {"to", to}}}));
  return Json{{"id", id.str()}};
}

// One line into agents/logs/<agent>/<local date>.jsonl. Whole lines only: one write, appended.
Result<void> appendLine(const GatewayServices& services, const std::string& agent, const Json& line) {
  AGENTOS_TRY(auto date, localDate(services.clock.now(), services.company->settings().timezone));
  AGENTOS_TRY(auto directory, services.company->directory("agents/logs/" + agent));
  AGENTOS_TRY(auto file, openBeneath(directory.get(), date + ".jsonl", O_WRONLY | O_APPEND | O_CREAT, 0660));
  return writeAll(file.get(), dumpJson(line) + "\n");
}

Result<Json> logLine(const GatewayServices& services, const Caller& caller, const Request& request) {
  if (services.company == nullptr)
    return fail(ErrorCode::kUnavailable, "there is no company to log in",
                "print it instead: the room's output is kept");
  if (caller.count->logLines >= kLogLinesPerRun) {
    return fail(ErrorCode::kRefused, "this run has logged its " + std::to_string(kLogLinesPerRun) + " lines",
                "print the rest instead");
  }
  AGENTOS_TRY(auto body, http::bodyObject(request));
  AGENTOS_CHECK(http::refuseUnknown(body, {"level", "text", "fields"}));
  AGENTOS_TRY(auto text, http::requiredString(body, "text"));
  AGENTOS_TRY(auto level, http::stringOf(body, "level", "info"));
  if (request.body.size() > kLongestLogText) {
    return fail(ErrorCode::kTooLarge, "a log line of " + std::to_string(request.body.size()) + " bytes",
                "at most 16 KiB");
  }
  Json line{{"time", formatUtc(services.clock.now())}, {"run", caller.room.id.str()}, {"level", level}, {"text", text}};
  if (auto fields = body.find("fields"); fields != body.end()) line["fields"] = *fields;
  AGENTOS_CHECK(appendLine(services, std::string(agentOf(caller.room.id)), line));
  ++caller.count->logLines;
  services.supervisor.progress(caller.room.id);
  return Json{{"logged", true}};
}

Result<Json> heartbeat(const GatewayServices& services, const Caller& caller, const Request&) {
  services.supervisor.heartbeat(caller.room.id);
  return Json{{"heard", true}};
}

}  // namespace

void addSelfRoutes(http::Router& router, const GatewayServices& services, FindCaller find) {
  auto add = [&](std::string method, std::string path, auto work) {
    router.add({std::move(method), std::move(path), http::Access::kOpen,
                [&services, find, work](RequestPtr request, http::Stream&) -> asio::awaitable<Response> {
                  auto caller = find(*request);
                  if (!caller) co_return http::problem(caller.error());
                  co_return http::answer(work(services, *caller, *request),
                                         [](const Json& value) { return http::json(value); });
                }});
  };
  using Word = Verdict::Word;
  add("GET", "/self", [](const auto& all, const Caller& caller, const Request&) { return identity(all, caller); });
  add("GET", "/self/task", [](const auto& all, const Caller& caller, const Request&) { return task(all, caller); });
  for (auto [verb, word] : {std::pair{"complete", Word::kComplete},
                            {"fail", Word::kFail},
                            {"submit", Word::kSubmit},
                            {"release", Word::kRelease}}) {
    add("POST", std::string("/self/task/") + verb,
        [word](const auto& all, const Caller& caller, const Request& request) {
          return giveWord(all, caller, word, request);
        });
  }
  add("POST", "/self/heartbeat", heartbeat);
  add("POST", "/self/mail", sendMail);
  add("POST", "/self/log", logLine);
}

}  // namespace agentos::agentd
