// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/end_of_run.h"

#include <cstring>

namespace agentos::agentd {
namespace {

using Word = Verdict::Word;

std::string describeExit(const sandbox::ExitRecord& exit) {
  if (exit.execFailed) return "the program could not be started: " + exit.detail;
  std::string text = exit.code ? "exit status " + std::to_string(*exit.code) : "no exit status";
  if (exit.signal) {
    text = "signal " + std::to_string(*exit.signal) + " (" + ::strsignal(*exit.signal) + ")";
    if (exit.coreDumped) text += ", core dumped";
  }
  if (exit.oomKills > 0) text += ", " + std::to_string(exit.oomKills) + " killed for lack of memory";
  return text;
}

Verdict say(Word word, std::string reason) {
  Verdict verdict;
  verdict.word = word;
  verdict.reason = std::move(reason);
  verdict.handoff.failed = verdict.reason;
  return verdict;
}

Verdict byExitStatus(const Instance& ended) {
  if (ended.view.exit->code != 0) return say(Word::kFail, describeEnd(ended));
  Verdict verdict;
  verdict.word = ended.contract && ended.contract->review.required ? Word::kSubmit : Word::kComplete;
  verdict.outcome = "success";
  return verdict;
}

}  // namespace

bool isOwnFailure(EndCause cause) {
  return cause == EndCause::kOwn || cause == EndCause::kTimedOut || cause == EndCause::kHung ||
         cause == EndCause::kNoProgress;
}

std::string describeEnd(const Instance& ended) {
  std::string text = ended.view.exit ? describeExit(*ended.view.exit) : "no exit record";
  switch (ended.cause) {
    case EndCause::kTimedOut:
      return "timed out after " + formatDuration(ended.contract->run.timeout) + " (" + text + ")";
    case EndCause::kKilled:
      return "killed by " + ended.endedBy + " (" + text + ")";
    case EndCause::kStopped:
      return "stopped by " + ended.endedBy + " (" + text + ")";
    case EndCause::kShutdown:
      return "agentd was stopped (" + text + ")";
    case EndCause::kHung:
    case EndCause::kNoProgress:
      return "hung: " + (ended.hungWhy.empty() ? "noticed before agentd's restart" : ended.hungWhy) + " (" + text + ")";
    case EndCause::kHalted:
      return "killed by the halt of " + ended.endedBy + " (" + text + ")";
    case EndCause::kParentEnded:
      return "ended with its " + ended.endedBy + " (" + text + ")";
    case EndCause::kSupervised:
      return "ended to start again with its sibling (" + text + ")";
    case EndCause::kOwn:
      break;
  }
  return ended.view.state == State::kLost ? "lost: agent-init ended without an exit record" : text;
}

Verdict verdictOfEnd(const Instance& ended) {
  // Not the agent's doing: the attempt does not count. A kill is an operator's word that this run went wrong.
  if (ended.view.state == State::kRefused || ended.view.state == State::kLost || !ended.view.exit ||
      (!isOwnFailure(ended.cause) && ended.cause != EndCause::kKilled)) {
    return say(Word::kRelease, ended.view.reason.empty() ? describeEnd(ended) : ended.view.reason);
  }
  if (ended.cause != EndCause::kOwn) return say(Word::kFail, describeEnd(ended));
  const bool byExit = ended.contract && ended.contract->run.verdict == contract::Verdict::kExit;
  if (byExit) return byExitStatus(ended);
  return say(Word::kFail, "ended without a word on its task (" + describeEnd(ended) + ")");
}

}  // namespace agentos::agentd
