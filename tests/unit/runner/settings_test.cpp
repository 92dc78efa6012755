// SPDX-License-Identifier: Apache-2.0
#include "runner/settings.h"

#include <gmock/gmock.h>

#include "fake_gateway.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;

class SlotTest : public testing::Test {
 protected:
  SlotTest() {
    slot.write("runtime.yaml", "version: 1\nname: test\n");
    for (const char* prompt : {"system", "nudge", "last_turns"})
      slot.write(std::string("prompts/") + prompt + ".md", prompt);
    slot.write("config/runner.yaml", "");
  }
  Folder slot;
};

TEST(Runtime, TheOneThatShipsLoadsAndSaysItsDefaultsTruly) {
  const auto runtime = loadRuntime(std::string(AGENTOS_SOURCE_DIR) + "/runtime/default");
  ASSERT_TRUE(runtime) << runtime.error().message();
  const Settings defaults;
  EXPECT_EQ(runtime->name, "default");
  EXPECT_EQ(runtime->settings.maxTurns, defaults.maxTurns);
  EXPECT_EQ(runtime->settings.backoff, defaults.backoff);
  EXPECT_EQ(runtime->settings.roots, defaults.roots);
  EXPECT_EQ(runtime->settings.maxResult.count, defaults.maxResult.count);
  EXPECT_EQ(runtime->settings.shellMost, defaults.shellMost);
  EXPECT_THAT(runtime->prompts.at("system"), HasSubstr("{{tools}}"));
}

TEST_F(SlotTest, AnEmptyConfigurationIsTheDefaults) {
  const auto runtime = loadRuntime(slot.path);
  ASSERT_TRUE(runtime) << runtime.error().message();
  EXPECT_EQ(runtime->settings.maxTurns, 50);
  EXPECT_EQ(runtime->prompts.at("nudge"), "nudge");
}

TEST_F(SlotTest, ABadConfigurationSaysEveryProblem) {
  slot.write("config/runner.yaml",
             "max_turn: 3\nmax_turns: many\nbackoff: 5\nroots: workspace\nmax_file: 1\nmodel: ''\n");
  const auto runtime = loadRuntime(slot.path);
  ASSERT_FALSE(runtime);
  EXPECT_EQ(runtime.error().code, ErrorCode::kConfig);
  for (const char* part : {"runner.yaml:1:1: max_turn: unknown key", "did you mean 'max_turns'", "2:12: max_turns",
                           "backoff", "roots", "max_file", "model"})
    EXPECT_THAT(runtime.error().what, HasSubstr(part));
  slot.write("config/runner.yaml", "a: [");
  EXPECT_EQ(loadRuntime(slot.path).error().code, ErrorCode::kConfig);
  slot.write("config/runner.yaml", "- a");
  EXPECT_EQ(loadRuntime(slot.path).error().code, ErrorCode::kConfig);
}

TEST_F(SlotTest, AMissingPieceCannotBeLoaded) {
  std::filesystem::remove(slot.path + "/prompts/nudge.md");
  EXPECT_NE(loadRuntime(slot.path).error().code, ErrorCode::kConfig);
  slot.write("prompts/nudge.md", "x");
  for (const char* manifest : {"version: 2\n", "name: x\n", "version: '1'\n", "]"}) {
    slot.write("runtime.yaml", manifest);
    const auto runtime = loadRuntime(slot.path);
    ASSERT_FALSE(runtime) << manifest;
    EXPECT_NE(runtime.error().code, ErrorCode::kConfig) << manifest;
  }
  EXPECT_FALSE(loadRuntime("/nonexistent"));
}

TEST(Prompt, FillsInWhatItKnows) {
  EXPECT_EQ(fillPrompt("{{a}} {{b}} {{a}} {{c}}", {{"a", "{{a}}x"}, {"b", ""}}), "{{a}}x  {{a}}x {{c}}");
}

}  // namespace
}  // namespace agentos::runner
