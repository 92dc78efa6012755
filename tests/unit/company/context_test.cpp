// SPDX-License-Identifier: Apache-2.0
#include "company/context.h"

#include "company/messages.h"
#include "fixture.h"

namespace agentos::company {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class ContextTest : public QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    std::filesystem::create_directories(state());
    spill(companyPath() + "/identity/values.md", "VALUES");
    spill(state() + "soul.md", "SOUL");
    spill(companyPath() + "/identity/principles.md", "PRINCIPLES");
    spill(state() + "working-memory.md", "MEMORY");
    spill(companyPath() + "/strategy/current-focus.md", "FOCUS");
  }
  std::string state() { return companyPath() + "/agents/state/maker/"; }
  Context compose(ContextInput input) {
    input.agent = agent("maker");
    auto context = composeContext(*company, input, clock.now());
    EXPECT_TRUE(context) << context.error().message();
    return context.value_or(Context{});
  }
  void send(const std::string& to, const std::string& subject, const std::string& body, bool urgent = false) {
    Message message;
    message.from = "steward", message.to = to, message.subject = subject, message.body = body, message.urgent = urgent;
    ASSERT_OK(sendMessage(*company, message, clock.now()));
  }
};

TEST_F(ContextTest, LayersStandInTheirOrder) {
  spill(companyPath() + "/agents/messages/threads/t1.md",
        "---\nparticipants: [maker, steward]\nsubject: s\n---\nTHREAD");
  spill(companyPath() + "/agents/messages/threads/t2.md", "---\nparticipants: [grower]\n---\nNOTMINE");
  send("maker", "i", "INBOX");
  send("broadcast", "old", "OLDNEWS");
  clock.advance(49h);
  send("broadcast", "b", "BROADCAST");
  write("task-2026-1101-009", "assigned_to: maker\n", TaskStatus::kFailed);
  Task task;
  task.id = taskId("task-2026-1120-001"), task.title = "TITLE", task.body = "BODY";
  task.handoff = Handoff{"tried", "", "LEFTOVER", "", ""};
  const Context context = compose({.agent = {}, .role = "builder", .task = task});
  std::size_t last = 0;
  for (const char* words : {"You are maker, the company's builder", "VALUES", "SOUL", "PRINCIPLES", "MEMORY", "FOCUS",
                            "THREAD", "INBOX", "BROADCAST", "task-2026-1101-009", "TITLE", "BODY", "LEFTOVER"}) {
    const auto found = context.text.find(words);
    ASSERT_NE(found, std::string::npos) << words << "\n" << context.text;
    EXPECT_GT(found, last) << words;
    last = found;
  }
  EXPECT_THAT(context.text, Not(HasSubstr("NOTMINE")));
  EXPECT_THAT(context.text, Not(HasSubstr("OLDNEWS")));
  EXPECT_THAT(context.cut, IsEmpty());
}

TEST_F(ContextTest, LimitsCutAndSayWhat) {
  spill(state() + "soul.md", std::string(3000, 's'));
  spill(state() + "working-memory.md", std::string(20'000, 'm'));
  for (int i = 0; i < 40; ++i) send("maker", "n" + std::to_string(i), std::string(600, 'i'));
  send("maker", "fire", "URGENTLY", true);
  const Context context = compose({});
  EXPECT_EQ(std::ranges::count(context.text, 's') >= 2000, true);
  EXPECT_THAT(context.cut, Contains("soul: 251 tokens left out"));
  EXPECT_THAT(context.cut, Contains(StartsWith("working memory: 3001 tokens")));
  EXPECT_THAT(context.cut, Contains(HasSubstr("of 41 left out")));
  for (const std::string& cut : context.cut) EXPECT_THAT(context.text, HasSubstr("[cut: " + cut + "]"));
  EXPECT_THAT(context.text, HasSubstr("URGENTLY"));  // before older ones that are not
}

TEST_F(ContextTest, NeverGrowsBeyondItsWhole) {
  spill(state() + "working-memory.md", std::string(2'000'000, 'm'));  // beyond what is read at all
  spill(companyPath() + "/identity/values.md", std::string(900'000, 'v'));
  for (int i = 0; i < 60; ++i) send("maker", "n", std::string(20'000, 'i'));
  Task task;
  task.id = taskId("task-2026-1120-001"), task.title = "TITLE", task.body = std::string(500'000, 't');
  for (const std::int64_t limit : {100, 1000, 4000, 32000}) {
    const Context context = compose({.agent = {}, .role = {}, .task = task, .maxTokens = limit});
    EXPECT_LE(context.text.size(), static_cast<std::size_t>(limit * 4)) << limit;
    if (limit >= 1000) EXPECT_THAT(context.text, HasSubstr("TITLE")) << limit;  // half of it is the task's in any case
    EXPECT_THAT(context.cut, Not(IsEmpty()));
  }
}

TEST_F(ContextTest, MissingFilesAreEmptyLayers) {
  std::filesystem::remove_all(state());
  std::filesystem::remove_all(companyPath() + "/identity");
  const Context context = compose({});
  EXPECT_THAT(context.text, HasSubstr("You are maker"));
  EXPECT_THAT(context.text, Not(HasSubstr("##  ")));
  EXPECT_THAT(context.cut, IsEmpty());
}

TEST_F(ContextTest, ASoulThatIsALinkOutIsNotFollowed) {
  std::filesystem::remove(state() + "soul.md");
  spill(temp.path() + "/secret", "SECRET");
  std::filesystem::create_symlink(temp.path() + "/secret", state() + "soul.md");
  const Context context = compose({});
  EXPECT_THAT(context.text, Not(HasSubstr("SECRET")));
  EXPECT_THAT(context.cut, Contains(HasSubstr("soul: cannot be read")));
}

}  // namespace
}  // namespace agentos::company
