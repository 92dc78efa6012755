// SPDX-License-Identifier: Apache-2.0
// One run: model → tool calls → results, until a verdict is given or must be. Whatever ends it early (budget, turns,
// context, deadline, a stop, a model that fails) hands the task over with what was done, so that the next run goes on.
#pragma once

#include <string>

#include "runner/conversation.h"
#include "runner/gateway_client.h"
#include "runner/identity.h"
#include "runner/room_files.h"
#include "runner/settings.h"
#include "runner/tools.h"

namespace agentos::runner {

class Run {
 public:
  Run(const Runtime& runtime, GatewayClient& gateway, const RoomFiles& files, Identity self,
      std::optional<OwnTask> task, std::string context);

  ExitStatus toTheEnd();

 private:
  // What one step of the loop leads to.
  enum class Step : std::uint8_t { kGoOn, kDone };

  Step turn();
  Step modelFailed(const Reply& reply);
  Step takeAnswer(const Json& answer);
  Step useTools(const AssistantTurn& turn);
  Step withoutTools(const AssistantTurn& turn);
  bool useTool(const ToolCall& call);  // true: the verdict was given
  std::string runTool(const ToolCall& call, bool& verdict, bool& failed);
  bool isLooping(const ToolCall& call);

  Reply askModel();
  bool waitBeforeRetry(std::int64_t retry, const Reply& reply);
  bool fitContext();
  std::int64_t turnsLeft() const;
  bool outOfTime() const;

  // The last words: each sets the exit status.
  Step release(const std::string& reason);
  Step giveUp(const std::string& reason);
  Step completeWith(const std::string& words);
  Step lastWord(const char* word, const Json& body);

  const Runtime& runtime_;
  const Settings& settings_;
  GatewayClient& gateway_;
  Identity self_;
  std::optional<OwnTask> task_;
  Toolbox tools_;
  Conversation conversation_;
  Diary diary_;
  ToolContext room_;
  ExitStatus status_ = kNoVerdict;
  std::int64_t turn_ = 0, nudges_ = 0, errors_ = 0, sameCalls_ = 0;
  std::int64_t contextShrink_ = 0;  // how often the gateway said that the request is too large
  std::string lastCall_;
};

// One clear line on stdout.
void say(const std::string& line);

}  // namespace agentos::runner
