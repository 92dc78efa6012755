// SPDX-License-Identifier: Apache-2.0
// What journald would get from the real agentd: its socket is where journald's is, in a mount namespace of this test.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "../agentd/real_agentd.h"
#include "base/fd.h"
#include "base/journal.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;
using Entry = std::map<std::string, std::string>;

Entry parseEntry(std::string_view bytes) {
  Entry entry;
  while (!bytes.empty()) {
    const auto end = bytes.find_first_of("=\n");
    if (end == bytes.npos || bytes[end] == '\n') {
      ADD_FAILURE() << "a value with a newline, or no field: " << bytes;
      break;
    }
    const auto stop = bytes.find('\n', end);
    EXPECT_TRUE(entry.emplace(bytes.substr(0, end), bytes.substr(end + 1, stop - end - 1)).second) << bytes;
    bytes.remove_prefix(stop + 1);
  }
  return entry;
}

class JournalTest : public testing::Test {
 protected:
  // Of this process from here on: /run is another one for it and what it starts.
  static void SetUpTestSuite() {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0) << std::strerror(errno);
    fs::create_directories("/run/systemd/journal");
  }
  void SetUp() override {
    open();
    // Standard error of what RealAgentd starts is its log file: here it counts as the journal's stream.
    const std::string file = agentd.prefix() + "/agentd.log";
    std::ofstream(file).flush();
    struct stat status{};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    ::setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
    ::unlink(kJournalSocket);
  }
  void open() {
    journal.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, kJournalSocket);
    ASSERT_EQ(::bind(journal.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::chmod(kJournalSocket, 0666);
  }
  void drain() {
    std::array<char, 262144> bytes{};
    for (ssize_t got; (got = ::recv(journal.get(), bytes.data(), bytes.size(), 0)) > 0;)
      entries.push_back(parseEntry({bytes.data(), static_cast<std::size_t>(got)}));
  }
  // Waits for an entry with that member.
  std::optional<Entry> find(const std::string& name, const std::string& value) {
    std::optional<Entry> found;
    eventually([&] {
      drain();
      for (const auto& entry : entries) {
        auto field = entry.find(name);
        if (field != entry.end() && field->second == value) found = entry;
      }
      return found.has_value();
    });
    return found;
  }
  std::size_t count(const std::string& name, const std::string& value) {
    drain();
    return static_cast<std::size_t>(std::ranges::count_if(entries, [&](const Entry& entry) {
      auto field = entry.find(name);
      return field != entry.end() && field->second == value;
    }));
  }

  RealAgentd agentd;
  Fd journal;
  std::vector<Entry> entries;
};

TEST_F(JournalTest, ARunIsFoundByItsAgentAndSaidOnce) {
  agentd.contract("teller", "run: { command: [/bin/sh, -c, 'echo hello; exit 3'] }\n");
  agentd.start();
  EXPECT_EQ(agentd.ask({"system", "info"})["log"]["format"], "journal");
  const std::string contract = agentd.prefix() + "/etc/agents/teller.yaml";
  const Json made = agentd.ask({"spawn", "--contract", contract});
  const std::string id = made.value("id", "");
  auto ended = find("AGENTD_EVENT", "instance.ended");
  ASSERT_TRUE(ended) << agentd.log();
  EXPECT_EQ((*ended)["AGENT_ID"], id);
  EXPECT_EQ((*ended)["AGENT_RUN_ID"], id);
  EXPECT_EQ((*ended)["AGENT_NAME"], "teller");
  EXPECT_EQ((*ended)["SYSLOG_IDENTIFIER"], "agentd");
  EXPECT_EQ((*ended)["MESSAGE_ID"].size(), 32U);
  EXPECT_NE((*ended)["MESSAGE"].find("exit"), std::string::npos) << (*ended)["MESSAGE"];
  EXPECT_EQ(count("AGENTD_EVENT", "instance.ended"), 1U);
  EXPECT_EQ(count("AGENTD_EVENT", "instance.started"), 1U);
  // The agent's own words stay in its file.
  for (const auto& entry : entries) EXPECT_EQ(entry.at("MESSAGE").find("hello"), std::string::npos);
  // Root's programs speak there too, under their own names.
  EXPECT_TRUE(find("SYSLOG_IDENTIFIER", "agentd-keeper"));
  EXPECT_EQ(agentd.stop(), 0);
  EXPECT_TRUE(find("AGENTD_EVENT", "agentd.stopped"));
  EXPECT_TRUE(find("AGENTD_EVENT", "audit.anchored"));
  EXPECT_EQ(agentd.log(), "") << "what is in the journal does not stand on standard error again";
}

TEST_F(JournalTest, LogsShowsTheRunAndItsEventsInOrder) {
  agentd.contract("teller", "run: { command: [/bin/sh, -c, 'echo hello'] }\n");
  agentd.start();
  const std::string id =
      agentd.ask({"spawn", "--contract", agentd.prefix() + "/etc/agents/teller.yaml", "--wait"}).value("id", "");
  const Answer all = agentd.ctl({"logs", id, "-f"});
  EXPECT_EQ(all.status, 0) << all.err;
  const auto starting = all.out.find(" instance.starting "), hello = all.out.find("\nhello\n"),
             ended = all.out.find(" instance.ended ");
  EXPECT_LT(starting, hello) << all.out;
  EXPECT_LT(hello, ended) << all.out;
  EXPECT_NE(ended, std::string::npos) << all.out;
  EXPECT_EQ(agentd.ctl({"logs", id, "--output-only"}).out, "hello\n");
  EXPECT_EQ(agentd.ctl({"logs", id, "--events-only"}).out.find("hello"), std::string::npos);
}

// Nobody reads the journal, then it is gone: the daemon answers and works, and says how many lines are missing.
TEST_F(JournalTest, AFullAndThenAbsentJournalHoldsNothingUp) {
  agentd.contract("teller", "run: { command: [/bin/true] }\n");
  agentd.start();
  const std::string contract = agentd.prefix() + "/etc/agents/teller.yaml";
  std::int64_t lost = 0;
  for (int i = 0; i < 200 && lost == 0; ++i) {
    EXPECT_EQ(agentd.ctl({"cycle", i % 2 == 0 ? "hold" : "release", "teller"}).status, 0);
    lost = agentd.ask({"system", "info"})["log"].value("lost", std::int64_t{0});
  }
  EXPECT_GT(lost, 0) << "it never was full";
  EXPECT_EQ(agentd.ctl({"spawn", "--contract", contract, "--wait"}).status, 0);
  journal.reset();
  ::unlink(kJournalSocket);
  EXPECT_EQ(agentd.ctl({"spawn", "--contract", contract, "--wait"}).status, 0);
  open();
  EXPECT_EQ(agentd.ctl({"cycle", "hold", "teller"}).status, 0);
  auto told = find("AGENTD_EVENT", "cycle.held");
  ASSERT_TRUE(told);
  EXPECT_NE(entries.front()["MESSAGE"].find("lines were lost"), std::string::npos) << entries.front()["MESSAGE"];
}

}  // namespace
}  // namespace agentos::test
