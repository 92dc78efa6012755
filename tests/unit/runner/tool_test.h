// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>

#include "fake_gateway.h"
#include "runner/tools.h"

namespace agentos::runner {

class ToolTest : public testing::Test {
 protected:
  Result<ToolAnswer> use(const std::string& name, const Json& arguments) { return useText(name, dumpJson(arguments)); }
  Result<ToolAnswer> useText(const std::string& name, const std::string& arguments) {
    const Toolbox box({.id = {},
                       .agent = {},
                       .capabilities = {"*"},
                       .maxTurns = {},
                       .maxContextTokens = {},
                       .leftMicroUsd = {},
                       .deadline = {}},
                      true);
    const Tool* tool = box.find(name);
    if (!tool) return fail(ErrorCode::kNotFound, "no tool " + name);
    AGENTOS_TRY(const Json parsed, parseArguments(*tool, arguments));
    return tool->run(context, parsed);
  }
  std::string text(const std::string& name, const Json& arguments) {
    const auto answer = use(name, arguments);
    return answer ? answer->text : "error: " + answer.error().message();
  }

  Folder room;
  Settings settings;
  std::atomic<bool> stop{false};
  FakeGateway fake;
  GatewayClient gateway{fake.url(), stop, std::chrono::milliseconds(100)};
  RoomFiles files{{room.path}, room.path};
  Diary diary;
  ToolContext context{settings, files, gateway, diary};
};

}  // namespace agentos::runner
