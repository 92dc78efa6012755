// SPDX-License-Identifier: Apache-2.0
// The daemon's own lines: into a journal of the test's own, and to standard error as text and as JSON.
#include "agentd/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <map>

#include "../base/scratch_directory.h"
#include "agentd/anchoring.h"
#include "agentd/spawn_task.h"
#include "base/fd.h"
#include "base/ids.h"
#include "base/json.h"
#include "fake_spawner.h"

namespace agentos::agentd {
namespace {

using Entry = std::multimap<std::string, std::string>;

// What journald would make of a datagram. Anything that is not the protocol is a failure.
Entry parseEntry(std::string_view bytes) {
  Entry entry;
  while (!bytes.empty()) {
    const auto end = bytes.find_first_of("=\n");
    if (end == bytes.npos) {
      ADD_FAILURE() << "no field: " << bytes;
      break;
    }
    std::string name(bytes.substr(0, end));
    std::size_t length = 0;
    if (bytes[end] == '=') {
      length = bytes.find('\n', end) - end - 1;
      bytes.remove_prefix(end + 1);
    } else {
      for (std::size_t i = 0; i < 8; ++i)
        length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes.at(end + 1 + i))) << (8 * i);
      bytes.remove_prefix(end + 9);
    }
    entry.emplace(std::move(name), bytes.substr(0, length));
    bytes.remove_prefix(length + 1);
  }
  return entry;
}

class LogTest : public testing::Test {
 protected:
  LogTest() : standardError_(::dup(STDERR_FILENO)) { open(); }
  ~LogTest() override {
    ::dup2(standardError_.get(), STDERR_FILENO);
    ::unsetenv("JOURNAL_STREAM");
    startLogging("test", LogFormat::kText, "err");
    ::unlink(path_.c_str());
    ::unlink(file_.c_str());
  }
  void open() {
    journal_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    ASSERT_EQ(::bind(journal_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void close() {
    journal_.reset();
    ::unlink(path_.c_str());
  }
  // Standard error becomes a file; its text so far.
  void redirect(const char* file = nullptr) {
    Fd fd(::open(file != nullptr ? file : file_.c_str(), O_RDWR | O_CREAT | O_APPEND, 0600));
    ASSERT_GE(::dup2(fd.get(), STDERR_FILENO), 0);
  }
  std::string written() const {
    std::array<char, 65536> bytes{};
    Fd fd(::open(file_.c_str(), O_RDONLY));
    auto got = ::read(fd.get(), bytes.data(), bytes.size());
    return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
  }
  void start(LogFormat format = LogFormat::kJournal) { startLogging("agentd", format, "info", path_); }

  std::optional<Entry> receive() const {
    std::array<char, 262144> bytes{};
    auto got = ::recv(journal_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) return std::nullopt;
    return parseEntry({bytes.data(), static_cast<std::size_t>(got)});
  }
  static std::string only(const std::optional<Entry>& entry, const std::string& name) {
    if (!entry) return "(no entry)";
    EXPECT_LE(entry->count(name), 1U) << name;
    auto found = entry->find(name);
    return found == entry->end() ? "" : found->second;
  }

  std::string path_ = "/tmp/agentos-journal-" + randomToken(8), file_ = path_ + ".err";
  Fd standardError_, journal_;
};

govern::AuditEntry entryOf(std::string kind, Json data) {
  govern::AuditEntry entry;
  entry.sequence = 7;
  entry.event = {.kind = std::move(kind),
                 .actor = "uid:1000",
                 .agent = "maker",
                 .instance = "maker.k3x7q2",
                 .task = "task-2026-1120-001",
                 .contract = "ab12",
                 .trace = "tr",
                 .data = std::move(data)};
  return entry;
}

TEST_F(LogTest, AnEventIsOneEntryWithItsFields) {
  start();
  logEvent(entryOf("instance.ended", {{"reason", "exit status 1"}}));
  auto entry = receive();
  EXPECT_EQ(only(entry, "MESSAGE"), "maker.k3x7q2: ended: exit status 1 task=task-2026-1120-001");
  EXPECT_EQ(only(entry, "MESSAGE_ID"), eventKind("instance.ended").messageId);
  EXPECT_EQ(only(entry, "PRIORITY"), "6");
  EXPECT_EQ(only(entry, "SYSLOG_IDENTIFIER"), "agentd");
  EXPECT_EQ(only(entry, "AGENT_ID"), "maker.k3x7q2");
  EXPECT_EQ(only(entry, "AGENT_RUN_ID"), "maker.k3x7q2");
  EXPECT_EQ(only(entry, "AGENT_NAME"), "maker");
  EXPECT_EQ(only(entry, "TASK_ID"), "task-2026-1120-001");
  EXPECT_EQ(only(entry, "AGENTD_EVENT"), "instance.ended");
  EXPECT_EQ(only(entry, "AGENTD_SEQ"), "7");
  EXPECT_EQ(only(entry, "AGENTD_ACTOR"), "uid:1000");
  EXPECT_EQ(only(entry, "AGENTD_CONTRACT"), "ab12");
  EXPECT_EQ(only(entry, "AGENTD_TRACE"), "tr");
  EXPECT_EQ(only(entry, "AGENTD_DATA"), R"({"reason":"exit status 1"})");
  EXPECT_FALSE(receive()) << "once, not twice";
}

// Whoever watches for it needs its id, whatever the words are.
TEST_F(LogTest, AnAnchorThatIsNotKeptHasTheIdOfItsKind) {
  test::ScratchDirectory state;
  SystemClock clock;
  boost::asio::io_context io;
  Alarms alarms(io, clock, Alarms::Mode::kManual);
  test::FakeSpawner spawner(state.path());
  spawner.anchorProblem = fail(ErrorCode::kUnavailable, "no spawner here").error();
  auto log = govern::AuditLog::open(state.path() + "/audit", clock);
  ASSERT_TRUE(log && (*log)->append({.kind = "test", .actor = "agentd"}));
  Anchoring anchoring({.io = io, .clock = clock, .alarms = alarms, .spawner = spawner, .audit = **log});
  start();
  spawnTask(io.get_executor(), "last", anchoring.last());
  io.run();
  auto entry = receive();
  ASSERT_TRUE(entry);
  EXPECT_EQ(only(entry, "MESSAGE_ID"), eventKind("audit.anchor_failed").messageId);
  EXPECT_EQ(only(entry, "PRIORITY"), "3");
  EXPECT_NE(only(entry, "MESSAGE").find("no spawner here"), std::string::npos);
  EXPECT_EQ(only(receive(), "MESSAGE_ID"), eventKind("audit.anchored").messageId) << "and where the head is";
}

TEST_F(LogTest, PrioritiesAreThoseOfTheKindAndOfTheLine) {
  start();
  logEvent(entryOf("task.dead_lettered", Json::object()));
  EXPECT_EQ(only(receive(), "PRIORITY"), "3");
  logEvent(entryOf("instance.ended", {{"exit", {{"oom_kills", 1}}}}));
  auto oom = receive();
  EXPECT_EQ(only(oom, "PRIORITY"), "4");
  EXPECT_EQ(only(oom, "MESSAGE_ID"), eventKind("instance.oom").messageId);
  logAs("agentd.part_ended", "the spawner ended");
  auto part = receive();
  EXPECT_EQ(only(part, "PRIORITY"), "3");
  EXPECT_EQ(only(part, "MESSAGE"), "the spawner ended");
  logEvent(entryOf("agentd.reloaded", Json::object()));
  EXPECT_EQ(only(receive(), "PRIORITY"), "5");
  spdlog::critical("bad");
  EXPECT_EQ(only(receive(), "PRIORITY"), "2");
  logEvent(entryOf("model.settled", Json::object()));  // debug, and the level is info
  spdlog::debug("quiet");
  EXPECT_FALSE(receive());
}

TEST_F(LogTest, ALineAboutAnInstanceCarriesItsId) {
  start();
  spdlog::warn("maker.k3x7q2: not adopted: no such process");
  auto entry = receive();
  EXPECT_EQ(only(entry, "AGENT_ID"), "maker.k3x7q2");
  EXPECT_EQ(only(entry, "AGENT_NAME"), "maker");
  spdlog::info("ready");
  EXPECT_EQ(only(receive(), "AGENT_ID"), "");
}

TEST_F(LogTest, HostileValuesStayInTheirField) {
  start();
  auto evil = entryOf("denied", {{"path", "x\nPRIORITY=0\nAGENT_ID=root.aaaaaa\n\x1b]0;owned\x07"}});
  evil.event.agent = "a\nMESSAGE_ID=0";
  evil.event.actor = std::string(1 << 20, 'u');
  logEvent(evil);
  spdlog::error("two\nlines\rover\x1b[2J");
  auto entry = receive();
  EXPECT_EQ(only(entry, "PRIORITY"), "4");
  EXPECT_EQ(only(entry, "AGENT_ID"), "maker.k3x7q2");
  EXPECT_EQ(only(entry, "MESSAGE_ID"), eventKind("denied").messageId);
  EXPECT_LT(only(entry, "AGENTD_ACTOR").size(), 10'000U);
  for (const auto& [name, value] : *entry) {
    for (char c : value) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << name << "=" << value;
  }
  EXPECT_EQ(only(receive(), "MESSAGE"), "two\n    lines\\x0dover\\x1b[2J");
}

TEST_F(LogTest, AFullOrAbsentJournalCostsLinesAndNoTime) {
  start();
  const auto before = logState().lost;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2000; ++i) spdlog::info("line {}", i);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  const auto lost = logState().lost - before;
  ASSERT_GT(lost, 0U) << "it never was full";
  std::uint64_t there = 0;
  while (receive()) ++there;
  EXPECT_EQ(there + lost, 2000U);

  close();
  spdlog::info("into nothing");
  EXPECT_EQ(logState().lost - before, lost + 1);
  open();
  spdlog::info("here again");
  auto told = receive();
  EXPECT_EQ(only(told, "MESSAGE_ID"), eventKind("agentd.log_lost").messageId);
  EXPECT_EQ(only(told, "MESSAGE"), std::to_string(lost + 1) + " lines were lost: the journal was absent or full");
  EXPECT_EQ(only(receive(), "MESSAGE"), "here again");
  EXPECT_FALSE(receive());
}

TEST_F(LogTest, AutoTakesTheJournalOnlyWhereStandardErrorLeadsToIt) {
  redirect();
  struct stat status{};
  ASSERT_EQ(::fstat(STDERR_FILENO, &status), 0);
  start(LogFormat::kAuto);
  EXPECT_EQ(logState().format, "text") << "a file that somebody reads";
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  start(LogFormat::kAuto);
  EXPECT_EQ(logState().format, "text") << "it was the journal's, and was redirected since";
  ::setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(), 1);
  start(LogFormat::kAuto);
  EXPECT_EQ(logState().format, "journal");
  start(LogFormat::kText);
  EXPECT_EQ(logState().format, "text");
  ::unsetenv("JOURNAL_STREAM");
  redirect("/dev/null");
  start(LogFormat::kAuto);
  EXPECT_EQ(logState().format, "journal");
  close();
  start(LogFormat::kAuto);
  EXPECT_EQ(logState().format, "text") << "there is no journal";
}

TEST_F(LogTest, JsonLinesHaveTheSameFields) {
  redirect();
  start(LogFormat::kJson);
  logEvent(entryOf("task.claimed", {{"epoch", 3}}));
  spdlog::warn("maker.k3x7q2: \"quoted\"\nsecond");
  const std::string text = written();
  const auto end = text.find('\n');
  auto first = parseJson(text.substr(0, end));
  ASSERT_TRUE(first) << text;
  EXPECT_EQ((*first)["message"], "maker.k3x7q2: claimed task=task-2026-1120-001 epoch=3");
  EXPECT_EQ((*first)["AGENT_ID"], "maker.k3x7q2");
  EXPECT_EQ((*first)["TASK_ID"], "task-2026-1120-001");
  EXPECT_EQ((*first)["MESSAGE_ID"], eventKind("task.claimed").messageId);
  auto second = parseJson(text.substr(end + 1, text.find('\n', end + 1) - end - 1));
  ASSERT_TRUE(second) << text;
  EXPECT_EQ((*second)["message"], "maker.k3x7q2: \"quoted\"\nsecond");
  EXPECT_EQ((*second)["AGENT_NAME"], "maker");
}

TEST_F(LogTest, TextForgesNoLine) {
  redirect();
  start(LogFormat::kText);
  spdlog::info("a\n2026-11-20T14:03:07.120Z agentd[1] info: forged\x1b[2J");
  const std::string text = written();
  EXPECT_NE(text.find("info: a\n    2026-11-20"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace agentos::agentd
