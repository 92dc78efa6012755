// SPDX-License-Identifier: Apache-2.0
#include "base/journal.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

namespace agentos {
namespace {

std::string entryOf(std::vector<JournalField> fields) { return journalEntry(fields); }

TEST(Journal, AnEntryIsLinesOfFields) {
  EXPECT_EQ(entryOf({{"MESSAGE", "hello"}, {"PRIORITY", "6"}, {"TASK_ID", ""}}), "MESSAGE=hello\nPRIORITY=6\n");
}

TEST(Journal, ANewlineMakesNoFieldOfItsOwn) {
  // Without the length a reader would take the second line for a field.
  EXPECT_EQ(entryOf({{"MESSAGE", "a\nPRIORITY=0"}}),
            std::string("MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 8 + 8 + 13));
}

TEST(Journal, NamesThatAreNoneAreLeftOut) {
  EXPECT_EQ(entryOf({{"_UID", "0"}, {"lower", "x"}, {"A=B", "x"}, {"", "x"}, {"1A", "x"}, {"A1_", "x"}}), "A1_=x\n");
  EXPECT_EQ(entryOf({{std::string(65, 'A'), "x"}}), "");
}

TEST(Journal, AValueIsCutBetweenCharacters) {
  std::string value(kMostOfAField - 1, 'a');
  value += "\xC3\xA4 and more";
  EXPECT_EQ(entryOf({{"A", value}}), "A=" + value.substr(0, kMostOfAField - 1) + "\n");
}

TEST(Journal, TextForALogForgesNoLineAndMovesNoCursor) {
  EXPECT_EQ(harmlessLog("a\n2026-11-20 agentd: forged\x1b[2J\r\x7f"),
            "a\n    2026-11-20 agentd: forged\\x1b[2J\\x0d\\x7f");
  EXPECT_EQ(harmlessLine("a\nb\tc"), "a\\nb\\x09c");
  EXPECT_EQ(harmlessLine("\xC2\x9B"
                         "31m \xC3\xA4"),
            "\\x9b31m \xC3\xA4");
  EXPECT_EQ(harmlessLine("\xFF\xFE"), "\\xff\\xfe");
}

TEST(Journal, ALineAboutAnInstanceNamesIt) {
  EXPECT_EQ(instanceOfLine("maker.k3x9q2: running").str(), "");  // 9 is no letter of an id
  EXPECT_EQ(instanceOfLine("maker.k3x7q2: running").str(), "maker.k3x7q2");
  EXPECT_TRUE(instanceOfLine("it is maker.k3x7q2: running").empty());
  EXPECT_TRUE(instanceOfLine("maker.k3x7q2").empty());
  EXPECT_TRUE(instanceOfLine("").empty());
}

// A journal of the test's own, with room for few entries.
struct FakeJournal {
  FakeJournal() : path("/tmp/agentos-journal-" + randomToken(8)), fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~FakeJournal() { ::unlink(path.c_str()); }
  std::string receive() const {
    std::array<char, 65536> bytes{};
    auto got = ::recv(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return got < 0 ? "" : std::string(bytes.data(), static_cast<std::size_t>(got));
  }
  std::string path;
  Fd fd;
};

TEST(Journal, AFullJournalIsNotWaitedFor) {
  FakeJournal journal;
  JournalSocket socket(journal.path);
  const std::string entry = entryOf({{"MESSAGE", std::string(1000, 'x')}});
  const auto begin = std::chrono::steady_clock::now();
  int sent = 0;
  while (sent < 100'000 && socket.send(entry)) ++sent;
  EXPECT_LT(sent, 100'000) << "it never was full";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(journal.receive(), entry);
  EXPECT_TRUE(socket.send(entry)) << "there is room again";
}

TEST(Journal, AnAbsentJournalTakesNothingAndAnewOneIsFound) {
  auto journal = std::make_unique<FakeJournal>();
  JournalSocket socket(journal->path);
  EXPECT_TRUE(socket.send("MESSAGE=a\n"));
  journal.reset();
  EXPECT_FALSE(socket.send("MESSAGE=b\n"));
  EXPECT_FALSE(JournalSocket("/nowhere/" + std::string(200, 'x')).send("MESSAGE=b\n"));
  FakeJournal again;
  EXPECT_TRUE(JournalSocket(again.path).send("MESSAGE=c\n"));
  EXPECT_EQ(again.receive(), "MESSAGE=c\n");
}

}  // namespace
}  // namespace agentos
