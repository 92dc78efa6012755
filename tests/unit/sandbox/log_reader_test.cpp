// SPDX-License-Identifier: Apache-2.0
#include "sandbox/log_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "sandbox/init/log.h"

namespace agentos::sandbox {
namespace {

namespace fs = std::filesystem;

class LogReaderTest : public ::testing::Test {
 protected:
  LogReaderTest() {
    char name[] = "/tmp/log-reader-test-XXXXXX";
    path_ = mkdtemp(name);
    directory_ = std::move(openDirectory(path_)).value();
  }
  ~LogReaderTest() override { fs::remove_all(path_); }

  LogReader reader(LogCursor from = {}, std::optional<Timestamp> since = {}) {
    return LogReader(directory_.duplicate(), from, since);
  }
  static std::vector<std::string> texts(LogReader& reader, std::size_t maxBytes = 1 << 20) {
    auto frames = reader.next(maxBytes);
    EXPECT_TRUE(frames);
    std::vector<std::string> all;
    for (const LogFrame& frame : *frames) all.push_back(frame.text);
    return all;
  }
  void append(const std::string& file, const std::string& bytes) {
    std::ofstream(path_ + "/" + file, std::ios::app) << bytes;
  }
  // As agent-init does it.
  void rotate(int keep) {
    for (int age = keep; age-- > 1;) {
      renameat(directory_.get(), name(age).c_str(), directory_.get(), name(age + 1).c_str());
    }
    ASSERT_EQ(renameat(directory_.get(), kLogName, directory_.get(), name(1).c_str()), 0);
    append(kLogName, "");
  }
  static std::string name(int age) { return std::string(kLogName) + "." + std::to_string(age); }
  static std::string frame(const std::string& text, const std::string& second = "07") {
    return "2026-11-20T14:03:" + second + ".120Z stdout F " + text + "\n";
  }

  std::string path_;
  Fd directory_;
};

using Texts = std::vector<std::string>;

TEST(LogFrame, IsParsedWhole) {
  auto frame = parseLogFrame("2026-11-20T14:03:07.120Z stderr P a b");
  ASSERT_TRUE(frame) << frame.error().message();
  EXPECT_EQ(formatUtc(frame->time), "2026-11-20T14:03:07.120Z");
  EXPECT_EQ(frame->stream, LogStream::kStderr);
  EXPECT_TRUE(frame->partial);
  EXPECT_EQ(frame->text, "a b");
  EXPECT_EQ(parseLogFrame("2026-11-20T14:03:07.120Z system F ")->text, "");
}

TEST(LogFrame, RefusesWhatIsNone) {
  for (const char* line : {"", "text", "2026-11-20T14:03:07.120Z", "2026-11-20T14:03:07.120Z stdout F",
                           "2026-11-20T14:03:07.120Z stdlog F x", "2026-11-20T14:03:07.120Z stdout X x",
                           "2026-11-20T14:03:07.120Z-stdout F x", "2026-13-20T14:03:07.120Z stdout F x"}) {
    EXPECT_FALSE(parseLogFrame(line)) << line;
  }
}

TEST_F(LogReaderTest, FindsNothingInAnEmptyDirectoryAndWaits) {
  LogReader log = reader();
  EXPECT_EQ(texts(log), Texts{});
  append(kLogName, frame("late"));
  EXPECT_EQ(texts(log), Texts{"late"});
  EXPECT_FALSE(log.skipped());
}

TEST_F(LogReaderTest, ReadsTheFilesInOrder) {
  append(name(10), frame("a"));
  append(name(2), frame("b"));
  append(name(1), frame("c"));
  append(kLogName, frame("d"));
  append("output.log.old", frame("not a log"));
  append("output.log.0", frame("not a log"));
  LogReader log = reader();
  EXPECT_EQ(texts(log), (Texts{"a", "b", "c", "d"}));
}

TEST_F(LogReaderTest, LeavesAHalfFrameForLater) {
  append(kLogName, frame("a") + "2026-11-20T14:03:07.1");
  LogReader log = reader();
  EXPECT_EQ(texts(log), Texts{"a"});
  EXPECT_EQ(texts(log), Texts{});
  append(kLogName, "20Z stdout F b\n");
  EXPECT_EQ(texts(log), Texts{"b"});
}

TEST_F(LogReaderTest, FollowsThroughRotations) {
  append(kLogName, frame("a"));
  LogReader log = reader();
  EXPECT_EQ(texts(log), Texts{"a"});
  append(kLogName, frame("b"));  // not read before the file is rotated away, twice
  rotate(5);
  append(kLogName, frame("c"));
  rotate(5);
  append(kLogName, frame("d"));
  EXPECT_EQ(texts(log), (Texts{"b", "c", "d"}));
  EXPECT_FALSE(log.skipped());
}

TEST_F(LogReaderTest, GoesOnFromACursorWhoseFileWasRotated) {
  append(kLogName, frame("a") + frame("b"));
  LogReader first = reader();
  EXPECT_EQ(texts(first, 1), (Texts{"a", "b"}));
  LogCursor cursor = first.cursor();
  append(kLogName, frame("c"));
  rotate(5);
  append(kLogName, frame("d"));
  LogReader second = reader(cursor);
  EXPECT_EQ(texts(second), (Texts{"c", "d"}));
  EXPECT_FALSE(second.skipped());
}

TEST_F(LogReaderTest, SaysWhenTheCursorsFileIsGone) {
  append(kLogName, frame("a"));
  LogReader first = reader();
  texts(first);
  rotate(1);
  append(kLogName, frame("b"));
  fs::remove(path_ + "/" + name(1));
  LogReader second = reader(first.cursor());
  EXPECT_EQ(texts(second), Texts{"b"});
  EXPECT_TRUE(second.skipped());
  EXPECT_EQ(texts(first), Texts{"b"});
  EXPECT_TRUE(first.skipped());
}

TEST_F(LogReaderTest, DoesNotTrustACursorBeyondTheFile) {
  append(kLogName, frame("a"));
  LogReader first = reader();
  texts(first);
  LogReader second = reader({first.cursor().inode, 1'000'000});
  EXPECT_EQ(texts(second), Texts{"a"});
  EXPECT_TRUE(second.skipped());
}

TEST_F(LogReaderTest, PassesOverGarbage) {
  append(name(1), frame("a") + "garbage\n" + std::string(200'000, 'g') + "\n" + frame("b") + "torn by a crash");
  append(kLogName, frame("c"));
  LogReader log = reader();
  EXPECT_EQ(texts(log), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts(log), Texts{});
}

TEST_F(LogReaderTest, StartsAtATime) {
  for (int i = 0; i < 5000; ++i) append(kLogName, frame("old", "06"));
  append(kLogName, frame("then", "07") + frame("now", "08"));
  LogReader log = reader({}, parseTimestamp("2026-11-20T14:03:07.120Z").value());
  EXPECT_EQ(texts(log, 1000), (Texts{"then", "now"}));  // an empty answer would mean the end
}

TEST_F(LogReaderTest, ReadsWhatAgentInitsWriterWrites) {
  LogFile file(directory_.get(), 64 * 1024, 3);
  ASSERT_TRUE(file.open());
  file.frame(LogStream::kStdout, true, "one");
  file.frame(LogStream::kStderr, false, std::string("t\0o", 3));
  file.frame(LogStream::kSystem, true, std::string(kMaxLine, 'x'));
  file.flush();
  LogReader log = reader();
  auto frames = log.next();
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->size(), 3U);
  EXPECT_EQ((*frames)[1].text, std::string("t\0o", 3));
  EXPECT_TRUE((*frames)[1].partial);
  EXPECT_EQ((*frames)[2].stream, LogStream::kSystem);
  EXPECT_EQ((*frames)[2].text.size(), kMaxLine);
}

TEST(LogTime, IsRfc3339) {
  auto text = [](std::int64_t ns) {
    auto time = logTime(ns);
    return std::string(time.data(), time.size());
  };
  for (std::int64_t ns : {0LL, 951'782'400'000'000'000LL, 1'800'000'000'123'999'999LL, 4'102'444'799'999'000'000LL}) {
    EXPECT_EQ(text(ns), formatUtc(Timestamp(Nanoseconds(ns))));
  }
}

}  // namespace
}  // namespace agentos::sandbox
