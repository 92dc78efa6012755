// SPDX-License-Identifier: Apache-2.0
// pause, resume, stop, kill, restart, wait.
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "agentctl/fields.h"
#include "agentctl/follow.h"
#include "agentctl/groups.h"
#include "base/units.h"
#include "client/client.h"

namespace agentos::agentctl {
namespace {

using client::pathOf;

constexpr auto kOneWait = std::chrono::seconds(20);  // of one request; a longer wait asks again

// What a change answers: the instance as it is now.
Result<int> change(Session& session, const std::string& id, const std::string& verb, Json body) {
  AGENTOS_TRY(auto instance, session.post(pathOf("/v1/agents", {id, verb}), std::move(body)));
  auto name = textOf(instance, "id");
  session.out().record(instance, (name.empty() ? id : name) + " " + textOf(instance, "state"), "id");
  return 0;
}

// Each of several; the first error is the result, after all have been tried.
Result<int> changeAll(Session& session, const std::vector<std::string>& ids, const std::string& verb,
                      const Json& body) {
  Result<int> outcome = 0;
  for (const auto& id : ids) {
    auto done = change(session, id, verb, body);
    if (!done && outcome) {
      outcome = std::move(done);
    } else if (!done) {
      complain(done.error().message());
    }
  }
  return outcome;
}

// Stopping and restarting take as long as the grace, which may be longer than a request.
Result<Json> graceBody(Session& session, const std::string& grace) {
  if (grace.empty()) return Json::object();
  AGENTOS_TRY(auto duration, durationArgument("--grace", grace));
  session.extendTimeout(duration);
  return Json{{"grace", grace}};
}

Result<int> stop(Session& session, const std::vector<std::string>& ids, const std::string& grace) {
  AGENTOS_TRY(auto body, graceBody(session, grace));
  return changeAll(session, ids, "stop", body);
}

Result<Json> signalOf(const std::string& text) {
  if (text.empty()) return Json();
  bool digits = text.find_first_not_of("0123456789") == std::string::npos && text.size() < 4;
  if (digits) return Json(std::stoi(text));
  std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  for (int signal = 1; signal < 32; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return Json(signal);
  }
  return fail(ErrorCode::kInvalidArgument, "--signal: there is no signal \"" + text + "\"",
              "a number, or a name such as TERM or SIGHUP");
}

Result<int> kill(Session& session, const std::vector<std::string>& ids, const std::string& signalText) {
  AGENTOS_TRY(auto signal, signalOf(signalText));
  return changeAll(session, ids, "kill", signal.is_null() ? Json::object() : Json{{"signal", signal}});
}

Result<int> restart(Session& session, const std::string& id, const std::string& grace) {
  AGENTOS_TRY(auto body, graceBody(session, grace));
  AGENTOS_TRY(auto made, session.post(pathOf("/v1/agents", {id, "restart"}), std::move(body)));
  session.out().record(made, textOf(made, "id"), "id");
  return 0;
}

Result<int> wait(Session& session, const std::string& id, const std::string& timeoutText) {
  std::optional<Nanoseconds> timeout;
  if (!timeoutText.empty()) {
    AGENTOS_TRY(timeout, durationArgument("--timeout", timeoutText));
  }
  // Whatever the name means later, this instance is meant.
  AGENTOS_TRY(auto instance, session.get(pathOf("/v1/agents", {id})));
  AGENTOS_TRY(auto ended, waitForEnd(session, textOf(instance, "id"), timeout));
  session.out().record(ended, textOf(ended, "id") + " " + describeEnd(ended), "id");
  return statusOfEnd(ended);
}

void addVerb(Command& root, const std::string& verb, const std::string& help) {
  auto ids = std::make_shared<std::vector<std::string>>();
  root.verb(
          verb, help, [ids, verb](Session& session) { return changeAll(session, *ids, verb, Json::object()); },
          Names::kAgents)
      .arguments("ID", *ids, "instance ids, beginnings of them, or agents' names")
      .heading("Agents");
}

}  // namespace

int statusOfEnd(const Json& instance) {
  auto code = integerOf(instance, "exit.code");
  return code && *code == 0 && textOf(instance, "state") == "exited" ? 0 : 1;
}

std::string describeEnd(const Json& instance) {
  auto detail = textOf(instance, "exit.detail");
  if (isTrue(instance, "exit.exec_failed")) return "could not be started: " + detail;
  std::string end = textOf(instance, "state");
  if (auto code = integerOf(instance, "exit.code")) end = "exited with status " + std::to_string(*code);
  if (auto signal = integerOf(instance, "exit.signal")) {
    end = "ended by signal " + std::to_string(*signal) + " (" + ::strsignal(static_cast<int>(*signal)) + ")";
  }
  if (integerOf(instance, "exit.oom_kills").value_or(0) > 0) end += ", out of memory";
  auto reason = textOf(instance, "reason");
  if (end.ends_with(reason.substr(reason.find(' ') + 1))) reason.clear();  // "exit status 0" says the same once more
  return end + (reason.empty() ? "" : ": " + reason);
}

Result<Json> waitForEnd(Session& session, const std::string& id, std::optional<Nanoseconds> timeout) {
  SystemClock clock;
  auto start = clock.bootNow();
  while (true) {
    Nanoseconds once = kOneWait;
    if (timeout) once = std::min(once, std::max(Nanoseconds(0), *timeout - (clock.bootNow() - start)));
    auto millis = std::to_string(std::chrono::ceil<std::chrono::milliseconds>(once).count()) + "ms";
    auto ended = session.client().call({.path = pathOf("/v1/agents", {id, "wait"}),
                                        .query = {{"timeout", millis}},
                                        .timeout = once + std::chrono::seconds(15)});
    if (ended || (!isAway(ended.error()) && ended.error().code != ErrorCode::kTimedOut)) return ended;
    if (timeout && clock.bootNow() - start >= *timeout) {
      return fail(ErrorCode::kTimedOut, id + " has not ended within " + formatDuration(*timeout),
                  "wait longer, or stop it");
    }
    // The agent outlives the daemon: so does the waiting.
    if (isAway(ended.error())) std::this_thread::sleep_for(kRetry);
  }
}

void addAgentControlCommands(Command& root) {
  addVerb(root, "pause", "Freeze every process of an agent");
  addVerb(root, "resume", "Let a paused agent go on");

  struct StopArgs {
    std::vector<std::string> ids;
    std::string grace, signal;
  };
  auto stopping = std::make_shared<StopArgs>();
  root.verb(
          "stop", "End an agent: its stop signal, then kill",
          [stopping](Session& session) { return stop(session, stopping->ids, stopping->grace); }, Names::kAgents)
      .arguments("ID", stopping->ids, "instance ids, beginnings of them, or agents' names")
      .option("--grace", stopping->grace, "how long it may take to end by itself (default: the contract's)", "10s")
      .heading("Agents");
  auto ending = std::make_shared<StopArgs>();
  root.verb(
          "kill", "End every process of an agent at once, or send it a signal",
          [ending](Session& session) { return kill(session, ending->ids, ending->signal); }, Names::kAgents)
      .arguments("ID", ending->ids, "instance ids, beginnings of them, or agents' names")
      .option("--signal,-s", ending->signal, "only send this signal", "TERM")
      .heading("Agents");

  struct OneArgs {
    std::string id, time;
  };
  auto again = std::make_shared<OneArgs>();
  root.verb(
          "restart", "Stop an agent and start it anew",
          [again](Session& session) { return restart(session, again->id, again->time); }, Names::kAgents)
      .argument("ID", again->id, "an instance id, the beginning of one, or an agent's name")
      .option("--grace", again->time, "how long it may take to end by itself", "10s")
      .heading("Agents");
  auto waited = std::make_shared<OneArgs>();
  root.verb(
          "wait", "Wait until an agent has ended; exit 0 only when it succeeded",
          [waited](Session& session) { return wait(session, waited->id, waited->time); }, Names::kAgents)
      .argument("ID", waited->id, "an instance id, the beginning of one, or an agent's name")
      .option("--timeout", waited->time, "no longer than this; then exit 6", "30s")
      .heading("Agents");
}

}  // namespace agentos::agentctl
