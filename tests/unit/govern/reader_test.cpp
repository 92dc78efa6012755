// SPDX-License-Identifier: Apache-2.0
#include "govern/reader.h"

#include <algorithm>

#include "govern/line.h"
#include "log_fixture.h"

namespace agentos::govern {
namespace {

class ReaderTest : public LogTest {
 protected:
  static std::vector<std::uint64_t> sequences(AuditReader& reader, std::size_t page = 256 * 1024) {
    std::vector<std::uint64_t> numbers;
    while (true) {
      auto found = reader.next(page);
      EXPECT_TRUE(found) << found.error().message();
      if (!found || found->empty()) return numbers;
      for (const auto& entry : *found) numbers.push_back(entry.sequence);
    }
  }
  static std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (; first <= last; ++first) numbers.push_back(first);
    return numbers;
  }
};

TEST_F(ReaderTest, EveryEventOnceOverAllFilesInPagesOfAnySize) {
  auto log = openLog(3000);
  fill(*log, 60, "maker");
  for (std::size_t page : {std::size_t{1}, std::size_t{1000}, std::size_t{1} << 20}) {
    AuditReader reader(directory_, {});
    EXPECT_EQ(sequences(reader, page), range(1, 60)) << page;
  }
}

TEST_F(ReaderTest, WhatIsWrittenLaterIsFoundThroughRotation) {
  auto log = openLog(1500);
  AuditReader reader(directory_, {});
  EXPECT_TRUE(sequences(reader).empty());
  std::vector<std::uint64_t> all;
  for (int round = 0; round < 20; ++round) {
    fill(*log, 3, "maker");
    for (auto number : sequences(reader)) all.push_back(number);
  }
  EXPECT_EQ(all, range(1, 60));
  EXPECT_EQ(reader.lastSequence(), 60U);
}

TEST_F(ReaderTest, AfterASequenceAndSinceATime) {
  auto log = openLog(1500);
  fill(*log, 30, "maker");
  clock_.advance(std::chrono::hours(100));
  auto middle = clock_.now();
  fill(*log, 30, "maker");
  AuditReader after(directory_, {.afterSequence = 42});
  EXPECT_EQ(sequences(after), range(43, 60));
  AuditReader since(directory_, {.since = middle}, middle);
  EXPECT_EQ(sequences(since), range(31, 60));
  AuditReader none(directory_, {.afterSequence = 60});
  EXPECT_TRUE(sequences(none).empty());
  fill(*log, 1, "maker");
  EXPECT_EQ(sequences(none), range(61, 61));
}

TEST_F(ReaderTest, OnlyWhatIsWanted) {
  auto log = openLog(1500);
  fill(*log, 10, "maker");
  fill(*log, 10, "grower");
  AuditReader reader(directory_, {.agent = "grower"});
  EXPECT_EQ(sequences(reader), range(11, 20));
}

TEST_F(ReaderTest, ALineThatIsNotWholeIsWaitedFor) {
  auto log = openLog();
  fill(*log, 3, "maker");
  log.reset();
  const std::string file = directory_ + "/audit-000001.jsonl";
  const std::string text = bytesOf(file);
  const auto cut = text.size() - 20;
  put(file, text.substr(0, cut));
  AuditReader reader(directory_, {});
  EXPECT_EQ(sequences(reader), range(1, 2));
  put(file, text);
  EXPECT_EQ(sequences(reader), range(3, 3));
}

TEST_F(ReaderTest, WhatWasWrittenAnewIntoTheNextFileIsGivenOnce) {
  auto log = openLog();
  fill(*log, 5, "maker");
  AuditReader reader(directory_, {});
  EXPECT_EQ(sequences(reader), range(1, 5));
  // As after a failed fdatasync: the end is cut off here, and stands in the next file.
  const std::string text = bytesOf(directory_ + "/audit-000001.jsonl");
  const auto last = text.rfind('\n', text.size() - 2) + 1;
  put(directory_ + "/audit-000001.jsonl", text.substr(0, last));
  put(directory_ + "/audit-000002.jsonl", text.substr(last));
  EXPECT_TRUE(sequences(reader).empty());
}

TEST_F(ReaderTest, AChangedLineIsSaid) {
  auto log = openLog();
  fill(*log, 3, "maker");
  const std::string file = directory_ + "/audit-000001.jsonl";
  std::string text = bytesOf(file);
  text[text.find("maker")] = 'b';
  put(file, text);
  AuditReader reader(directory_, {});
  auto found = reader.next();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kAuditBroken);
}

}  // namespace
}  // namespace agentos::govern
