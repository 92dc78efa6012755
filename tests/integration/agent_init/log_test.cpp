// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/files.h"
#include "harness.h"

namespace agentos::sandbox::testing {
namespace {

namespace fs = std::filesystem;

std::string line(long number, std::size_t width = 0) {
  std::string text = "line " + std::to_string(number);
  if (text.size() < width) text.append(width - text.size(), 'x');
  return text;
}

InitPlan floodPlan(long lines, std::size_t width, std::uint64_t rotateAt, std::uint32_t keep) {
  InitPlan plan = planFor({program("log_flood"), std::to_string(lines), std::to_string(width)});
  plan.logRotateAt = rotateAt;
  plan.logKeep = keep;
  return plan;
}

// Writes that much, or what there is room for.
std::string fill(const std::string& directory, unsigned kiB) {
  std::string path = directory + "/filler", block(1024, 'f');
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  for (unsigned i = 0; i < kiB && write(fd.get(), block.data(), block.size()) > 0; ++i) {
  }
  return path;
}

TEST(AgentInitLog, KeepsTheNewestFilesWithinTheirSize) {
  InitRoom room({.plan = floodPlan(2000, 40, 8192, 3)});
  ASSERT_EQ(room.wait(), 0);
  std::map<std::string, std::uintmax_t> sizes;
  for (const auto& entry : fs::directory_iterator(room.logDir())) sizes[entry.path().filename()] = entry.file_size();
  EXPECT_EQ(sizes.size(), 4U);
  for (const auto& [name, size] : sizes) EXPECT_LE(size, 8192U) << name;
  auto frames = room.frames();
  ASSERT_GT(frames.size(), 200U);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].text, line(static_cast<long>(2000 - frames.size() + i), 40));
  }
}

TEST(AgentInitLog, IsReadWholeWhileItRotates) {
  InitRoom room({.plan = floodPlan(20'000, 0, 16'384, 1000)});
  LogReader reader(std::move(openDirectory(room.logDir())).value());
  long next = 0;
  auto readOn = [&] {
    for (;;) {
      auto frames = reader.next(4096);
      ASSERT_TRUE(frames);
      if (frames->empty()) return;
      for (const LogFrame& frame : *frames) ASSERT_EQ(frame.text, line(next++));
    }
  };
  while (room.wait(milliseconds(1)) < 0) readOn();
  readOn();
  EXPECT_EQ(next, 20'000);
  EXPECT_FALSE(reader.skipped());
}

TEST(AgentInitLog, KeepsNothingBesideTheLiveFileWhenToldSo) {
  InitRoom room({.plan = floodPlan(2000, 40, 8192, 0)});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(room.logDir()), {}), 1);
  EXPECT_EQ(room.frames().back().text, line(1999, 40));
}

TEST(AgentInitLog, KeepsEveryByteOfBinaryOutput) {
  InitRoom room({.plan = planFor({"/usr/bin/python3", "-c",
                                  "import sys; sys.stdout.buffer.write(bytes(range(256)) * 500 + b'z' * 50000)"})});
  ASSERT_EQ(room.wait(), 0);
  std::string expected;
  for (int round = 0; round < 500; ++round) {
    for (int byte = 0; byte < 256; ++byte) expected += static_cast<char>(byte);
  }
  expected.append(50'000, 'z');
  EXPECT_TRUE(room.output() == expected);
  for (const LogFrame& frame : room.frames()) EXPECT_LE(frame.text.size(), kMaxLine);
}

TEST(AgentInitLog, ShowsALineWithoutItsEndAfterAWhile) {
  InitRoom room({.plan = shellPlan("printf 'name? '; read -t 20 < <(sleep 20); echo never")});
  ASSERT_TRUE(room.waitForOutput("name? "));
  auto frames = room.frames();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_TRUE(frames[0].partial);
}

TEST(AgentInitLog, LetsThePayloadReopenItsOutput) {
  InitRoom room({.plan = shellPlan("echo one > /proc/self/fd/1; echo two >> /proc/self/fd/2")});
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.output(), "one\n");
  EXPECT_EQ(room.output(LogStream::kStderr), "two\n");
}

TEST(AgentInitLog, AFullDiskStopsNobodyAndTheLossIsToldWhenThereIsRoom) {
  constexpr long kLines = 3000;
  InitPlan plan = shellPlan(program("log_flood") + " 3000 100; echo flooded >&2; " + program("ignores_sigterm"));
  plan.logRotateAt = 1 << 20;
  std::string filler;
  InitRoom room({.plan = plan, .logKiB = 256, .before = [&](const InitRoom& r) { filler = fill(r.logDir(), 128); }});
  // The flood is over, and the payload was not held up: the second program is there.
  ASSERT_TRUE(eventually([&] {
    for (pid_t pid : room.group().processes()) {
      if (readPath("/proc/" + std::to_string(pid) + "/comm").value_or("") == "ignores_sigterm\n") return true;
    }
    return false;
  }));
  auto account = [&] {
    long kept = 0, lost = 0, last = -1;
    for (const LogFrame& frame : room.frames()) {
      if (frame.stream == LogStream::kSystem) {
        EXPECT_THAT(frame.text, ::testing::EndsWith(" lines lost: No space left on device"));
        lost += std::atol(frame.text.c_str());
      } else if (frame.text.starts_with("line ")) {
        long number = std::atol(frame.text.c_str() + 5);
        EXPECT_EQ(frame.text, line(number, 100));  // whole, and in order
        EXPECT_GT(number, last);
        last = number;
      }
      kept += frame.stream != LogStream::kSystem;
    }
    return std::pair(kept, lost);
  };
  auto [kept, lost] = account();
  EXPECT_GT(kept, 500);
  EXPECT_LT(kept, kLines);
  EXPECT_LE(kept + lost, kLines + 2);  // the last loss may be untold yet
  // Room again, while the payload runs on.
  ASSERT_EQ(unlink(filler.c_str()), 0);
  kill(room.init(), SIGTERM);
  ASSERT_TRUE(room.waitForOutput("ignored 15"));
  std::tie(kept, lost) = account();
  EXPECT_EQ(kept + lost, kLines + 3);  // and "flooded", "ready" and "ignored 15"
  kill(room.init(), SIGUSR1);
  ASSERT_EQ(room.wait(), 0);
  EXPECT_EQ(room.record()->code, 0);
}

TEST(AgentInitLog, TheExitRecordIsThereOnADiskThatIsFull) {
  InitRoom room({.plan = planFor({program("ignores_sigterm"), "6"}), .recordKiB = 64});
  ASSERT_TRUE(room.waitForOutput("ready"));
  fill(room.recordDir(), 1000);
  kill(room.init(), SIGUSR1);
  ASSERT_EQ(room.wait(), 0);
  ASSERT_TRUE(room.record());
  EXPECT_EQ(room.record()->code, 6);
}

TEST(AgentInitLog, NothingStartsWhenTheRecordWouldNotFit) {
  InitRoom room({.plan = planFor({program("exit_with"), "0", "ran"}), .recordKiB = 64, .before = [](const InitRoom& r) {
                   fill(r.recordDir(), 1000);
                 }});
  EXPECT_EQ(room.wait(), 1);
  EXPECT_EQ(room.output(), "");
  EXPECT_FALSE(room.record());
}

}  // namespace
}  // namespace agentos::sandbox::testing
