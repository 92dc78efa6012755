// SPDX-License-Identifier: Apache-2.0
#include "company/messages.h"

#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

namespace agentos::company {
namespace {

class MessagesTest : public QueueTest {
 protected:
  Result<MessageId> send(const std::string& to, const std::string& subject) {
    Message message;
    message.from = "steward", message.to = to, message.subject = subject, message.body = "\nHello.\n";
    return sendMessage(*company, message, clock.now());
  }
  std::string inbox(const std::string& agentName) { return companyPath() + "/agents/messages/" + agentName + "/inbox"; }
};

std::size_t countFiles(const std::string& path) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.is_regular_file() ? 1 : 0;
  return count;
}

TEST_F(MessagesTest, ArriveAndAreProcessed) {
  const auto first = send("maker", "yes");
  ASSERT_OK(first);
  EXPECT_EQ(first->str(), "msg-2026-1120-001");
  ASSERT_OK(send("maker", "two: \"quoted\"\nline"));
  auto messages = readInbox(*company, "maker");
  ASSERT_OK(messages);
  ASSERT_EQ(messages->size(), 2U);
  EXPECT_EQ((*messages)[0].subject, "yes");
  EXPECT_EQ((*messages)[1].subject, "two: \"quoted\"\nline");
  EXPECT_EQ((*messages)[0].body, "\nHello.\n");
  EXPECT_EQ((*messages)[0].sent, clock.now());
  ASSERT_OK(markProcessed(*company, "maker", *first));
  EXPECT_EQ(readInbox(*company, "maker")->size(), 1U);
  EXPECT_EQ(send("maker", "three")->str(), "msg-2026-1120-003");  // no number comes twice
  EXPECT_CODE(markProcessed(*company, "maker", *first), ErrorCode::kNotFound);
}

TEST_F(MessagesTest, PeopleAndEverybody) {
  ASSERT_OK(send("human", "a"));
  ASSERT_OK(send("broadcast", "b"));
  EXPECT_EQ(countFiles(companyPath() + "/agents/messages/human/inbox"), 1U);
  EXPECT_EQ(countFiles(companyPath() + "/agents/messages/broadcast"), 1U);
}

TEST_F(MessagesTest, ARecipientIsNeverAPath) {
  for (const char* to :
       {"../../evil", "../../../evil", "/etc", "a/b", "", ".", "..", "a..b", "Maker", "maker\n", "x y"}) {
    EXPECT_CODE(send(to, "x"), ErrorCode::kIdMalformed);
  }
  EXPECT_CODE(send(std::string(64, 'a'), "x"), ErrorCode::kIdMalformed);
  EXPECT_FALSE(std::filesystem::exists(temp.path() + "/evil"));
  EXPECT_FALSE(std::filesystem::exists(companyPath() + "/evil"));
}

TEST_F(MessagesTest, MalformedOnesAreQuarantinedAndDelayNobody) {
  ASSERT_OK(send("maker", "good"));
  spill(inbox("maker") + "/msg-2026-1120-000.md", "no front matter");
  spill(inbox("maker") + "/.msg-2026-1120-002.md.swp", "an editor's");
  EXPECT_EQ(readInbox(*company, "maker")->size(), 1U);
  EXPECT_EQ(slurp(companyPath() + "/operations/quarantine/msg-2026-1120-000.md"), "no front matter");
  EXPECT_TRUE(std::filesystem::exists(inbox("maker") + "/.msg-2026-1120-002.md.swp"));
}

TEST_F(MessagesTest, RefusesWhatWouldNotBeReadBack) {
  EXPECT_CODE(send("maker", "\xFF"), ErrorCode::kInvalidArgument);
  EXPECT_CODE(send("maker", std::string(2000, 'x')), ErrorCode::kTooLarge);
}

// Eight processes, twenty messages each, to one inbox and on one day.
TEST_F(MessagesTest, A160MessagesFrom8SendersAre160Files) {
  std::vector<pid_t> senders;
  for (int sender = 0; sender < 8; ++sender) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      bool good = true;
      for (int i = 0; i < 20; ++i) good = good && send("maker", std::to_string(sender) + "/" + std::to_string(i));
      ::_exit(good ? 0 : 1);
    }
    senders.push_back(pid);
  }
  for (const pid_t pid : senders) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(countFiles(inbox("maker")), 160U);
  std::set<std::string> subjects;
  const auto messages = readInbox(*company, "maker");
  for (const Message& message : *messages) subjects.insert(message.subject);
  EXPECT_EQ(subjects.size(), 160U);
}

}  // namespace
}  // namespace agentos::company
