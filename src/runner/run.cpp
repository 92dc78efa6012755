// SPDX-License-Identifier: Apache-2.0
#include "runner/run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace agentos::runner {
namespace {

constexpr std::size_t kMostCallsATurn = 32;
constexpr std::int64_t kWarnTurns = 3;

std::string shortly(std::string text, std::size_t most) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most) + "…";
}

std::int64_t usageOf(const Json& answer, const char* key) {
  if (!answer.contains("usage") || !answer["usage"].is_object()) return 0;
  const auto found = answer["usage"].find(key);
  return found != answer["usage"].end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string bounded(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  const std::size_t all = text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text + "\n[… cut: the result has " + std::to_string(all) +
         " bytes, of which these are the first; ask for less]";
}

std::string systemPrompt(const Runtime& runtime, const Identity& self, const std::optional<OwnTask>& task,
                         const Toolbox& tools) {
  return fillPrompt(runtime.prompts.at("system"), {{"agent", self.agent},
                                                   {"run", self.id},
                                                   {"task", task ? task->id : "none"},
                                                   {"tools", tools.names().empty() ? "none" : tools.names()}});
}

}  // namespace

void say(const std::string& line) {
  const std::string one = shortly(line, 2000) + "\n";
  fwrite(one.data(), 1, one.size(), stdout);
  fflush(stdout);
}

Run::Run(const Runtime& runtime, GatewayClient& gateway, const RoomFiles& files, Identity self,
         std::optional<OwnTask> task, std::string context)
    : runtime_(runtime),
      settings_(runtime.settings),
      gateway_(gateway),
      self_(std::move(self)),
      task_(std::move(task)),
      tools_(self_, task_.has_value()),
      conversation_(systemPrompt(runtime, self_, task_, tools_), std::move(context)),
      room_{runtime.settings, files, gateway, diary_} {}

ExitStatus Run::toTheEnd() {
  say("run " + self_.id + " of " + self_.agent +
      (task_ ? ", task " + task_->id + " (" + task_->title + ")" : ", no task") +
      ", tools: " + (tools_.names().empty() ? "none" : tools_.names()));
  while (turn() == Step::kGoOn) {
  }
  return status_;
}

std::int64_t Run::turnsLeft() const { return self_.maxTurns.value_or(settings_.maxTurns) - self_.turnsUsed - turn_; }

bool Run::outOfTime() const {
  return self_.deadline && SystemClock().now() + settings_.leaveBeforeDeadline >= *self_.deadline;
}

Run::Step Run::turn() {
  if (gateway_.stopping()) return release("stopped");
  if (outOfTime()) return release("deadline");
  const std::int64_t left = turnsLeft();
  if (left <= 0) return release("max_turns");
  if (left == kWarnTurns && turn_ > 0)
    conversation_.addUser(fillPrompt(runtime_.prompts.at("last_turns"), {{"turns", std::to_string(left)}}));
  if (!fitContext()) return release("context");
  ++turn_;
  const Reply reply = askModel();
  return reply.ok() ? takeAnswer(reply.body) : modelFailed(reply);
}

bool Run::fitContext() {
  const std::int64_t window = self_.maxContextTokens.value_or(settings_.maxContextTokens);
  const auto tools = static_cast<std::int64_t>(dumpJson(tools_.offered()).size() / 4);
  const std::int64_t most = (window - tools - 100) >> contextShrink_;
  const auto cut = conversation_.cutTo(most);
  for (const std::string& what : cut) say("context: cut the result of " + what);
  return conversation_.tokens() <= most;
}

Reply Run::askModel() {
  Json body{
      {"model", settings_.model}, {"messages", conversation_.messages()}, {"max_tokens", settings_.maxOutputTokens}};
  if (const Json offered = tools_.offered(); !offered.empty()) body["tools"] = offered;
  for (std::int64_t retry = 0;; ++retry) {
    Reply reply = gateway_.post("/v1/chat/completions", body, settings_.callTimeout);
    const bool passing = reply.status == 0 || reply.status == 429 || reply.status >= 500;
    if (!passing || reply.code() == "budget.exhausted" || gateway_.stopping() || retry >= settings_.retries)
      return reply;
    if (!waitBeforeRetry(retry, reply)) return reply;
  }
}

// False when the wait would outlive the run. Retry-After is kept to; else the wait doubles.
bool Run::waitBeforeRetry(std::int64_t retry, const Reply& reply) {
  Nanoseconds wait = std::min<Nanoseconds>(settings_.backoff * (std::int64_t{1} << std::min<std::int64_t>(retry, 20)),
                                           settings_.longestWait);
  if (reply.retryAfter) wait = *reply.retryAfter;
  if (wait > std::max<Nanoseconds>(settings_.longestWait, std::chrono::minutes(1))) return false;
  if (self_.deadline && SystemClock().now() + wait + settings_.leaveBeforeDeadline >= *self_.deadline) return false;
  say("model: " + reply.message() + "; trying again in " +
      formatDuration(std::chrono::ceil<std::chrono::milliseconds>(wait)));
  const auto until = std::chrono::steady_clock::now() + wait;
  while (std::chrono::steady_clock::now() < until && !gateway_.stopping()) {
    usleep(20'000);
    gateway_.beat();
  }
  return true;
}

Run::Step Run::modelFailed(const Reply& reply) {
  say("model: " + reply.message());
  if (gateway_.stopping()) return release("stopped");
  const std::string code = reply.code();
  if (code == "budget.exhausted" || reply.status == 402) return release("budget: " + reply.message());
  if (reply.status == 413 && contextShrink_ < 4) {
    ++contextShrink_;
    --turn_;
    return Step::kGoOn;
  }
  if (reply.status == 413) return release("context: " + reply.message());
  diary_.lastError = reply.message();
  const bool passing = reply.status == 0 || reply.status == 429 || reply.status >= 500;
  return passing ? release("model: " + reply.message()) : giveUp("the model call was refused: " + reply.message());
}

Run::Step Run::takeAnswer(const Json& answer) {
  const bool shaped =
      answer.is_object() && answer.contains("choices") && answer["choices"].is_array() && !answer["choices"].empty();
  const AssistantTurn turn = readAssistant(shaped ? answer["choices"][0] : Json::object(), turn_);
  say("turn " + std::to_string(turn_) + ": " + std::to_string(shaped ? usageOf(answer, "prompt_tokens") : 0) + "+" +
      std::to_string(shaped ? usageOf(answer, "completion_tokens") : 0) + " tokens, " +
      std::to_string(turn.calls.size()) + " tool calls" + (turn.text.empty() ? "" : ": " + shortly(turn.text, 200)));
  if (!turn.text.empty()) diary_.lastWords = shortly(turn.text, 2000);
  conversation_.addAssistant(turn.message);
  if (turn.calls.empty()) return withoutTools(turn);
  return useTools(turn);
}

Run::Step Run::useTools(const AssistantTurn& turn) {
  std::size_t count = 0;
  for (const ToolCall& call : turn.calls) {
    if (++count > kMostCallsATurn) {
      conversation_.addResult(call, "not run: at most " + std::to_string(kMostCallsATurn) + " calls in one turn");
      continue;
    }
    if (useTool(call)) {
      status_ = kVerdictGiven;
      return Step::kDone;
    }
    if (sameCalls_ >= 2 * settings_.sameCalls)
      return giveUp("loop: " + shortly(lastCall_, 300) + " was called " + std::to_string(sameCalls_) +
                    " times in a row");
    if (errors_ >= settings_.errorsInARow)
      return giveUp(std::to_string(errors_) + " tool errors in a row, the last: " + diary_.lastError);
  }
  if (turn.malformed) conversation_.addUser("Some of your tool calls had no function name and were left out.");
  return Step::kGoOn;
}

bool Run::isLooping(const ToolCall& call) {
  const std::string now = call.name + " " + call.arguments;
  sameCalls_ = now == lastCall_ ? sameCalls_ + 1 : 1;
  lastCall_ = now;
  return sameCalls_ >= settings_.sameCalls;
}

bool Run::useTool(const ToolCall& call) {
  const auto start = std::chrono::steady_clock::now();
  const bool looping = isLooping(call);
  bool verdict = false, failed = false;
  std::string text = bounded(runTool(call, verdict, failed), settings_.maxResult.count + 256);
  if (!isValidUtf8(text)) text = parseJson(dumpJson(text)).value_or("(not text)").get<std::string>();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  say("tool " + call.name + " " + shortly(call.arguments, 160) + (failed ? " failed: " + shortly(text, 300) : " ok") +
      ", " + std::to_string(text.size()) + " bytes, " + std::to_string(took.count()) + "ms");
  errors_ = failed ? errors_ + 1 : 0;
  if (failed) diary_.lastError = shortly(text, 500);
  if (looping)
    text += "\n[You have made this same call " + std::to_string(sameCalls_) +
            " times in a row. Do something else, or give your verdict.]";
  conversation_.addResult(call, text);
  return verdict;
}

std::string Run::runTool(const ToolCall& call, bool& verdict, bool& failed) {
  failed = true;
  const Tool* tool = tools_.find(call.name);
  if (!tool)
    return "error: there is no tool '" + shortly(call.name, 80) +
           "' here; there are: " + (tools_.names().empty() ? "none" : tools_.names());
  const auto arguments = parseArguments(*tool, call.arguments);
  if (!arguments) return "error: " + arguments.error().message();
  diary_.did.push_back(tool->name + " " + shortly(call.arguments, 100));
  const auto answer = tool->run(room_, *arguments);
  if (!answer) return "error: " + answer.error().message();
  failed = false;
  verdict = answer->verdict;
  return answer->text;
}

// A model that only talks: with nothing to end it is done, else it is reminded, and at last ended.
Run::Step Run::withoutTools(const AssistantTurn& turn) {
  if (!task_) {
    say("done: " + shortly(turn.text, 300));
    status_ = kVerdictGiven;
    return Step::kDone;
  }
  if (!tools_.canEnd() && !turn.text.empty()) return completeWith(turn.text);
  if (++nudges_ > settings_.nudges) return giveUp("the model stopped working without a verdict");
  conversation_.addUser(fillPrompt(runtime_.prompts.at("nudge"), {{"tools", tools_.names()}}));
  return Step::kGoOn;
}

Run::Step Run::release(const std::string& reason) {
  if (!task_) {
    say("ended: " + reason);
    status_ = kVerdictGiven;
    return Step::kDone;
  }
  return lastWord("release", {{"reason", shortly(reason, 500)}, {"handoff", diary_.handoff()}});
}

Run::Step Run::giveUp(const std::string& reason) {
  if (diary_.lastError.empty()) diary_.lastError = reason;
  if (!task_) {
    say("gave up: " + reason);
    status_ = kNoVerdict;
    return Step::kDone;
  }
  return lastWord("fail", {{"reason", shortly(reason, 500)}, {"handoff", diary_.handoff()}});
}

// A contract that grants no tool to end with: the model's last words are the result.
Run::Step Run::completeWith(const std::string& words) {
  Json handoff = diary_.handoff();
  handoff["changed"] = bounded(words, 8000);
  handoff["remains"] = handoff["next"] = "";
  return lastWord("complete", {{"outcome", "success"}, {"handoff", std::move(handoff)}, {"artifacts", Json::array()}});
}

Run::Step Run::lastWord(const char* word, const Json& body) {
  const std::string reason = body.contains("reason") ? body["reason"].get<std::string>() : "";
  for (std::int64_t attempt = 0; attempt < 3; ++attempt) {
    if (attempt > 0) usleep(300'000);
    const Reply reply = gateway_.postAnyway(std::string("/self/task/") + word, body);
    if (reply.ok()) {
      say(std::string("verdict ") + word + (reason.empty() ? "" : ": " + reason));
      status_ = kVerdictGiven;
      return Step::kDone;
    }
    say(std::string("verdict ") + word + " was not taken: " + reply.message());
    if (reply.status != 0 && reply.status < 500) break;
  }
  status_ = kNoVerdict;
  return Step::kDone;
}

}  // namespace agentos::runner
