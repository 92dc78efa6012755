// SPDX-License-Identifier: Apache-2.0
// An audit log in a directory of its own, and hands to damage it with.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "govern/audit_log.h"

namespace agentos::govern {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentos-audit-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    directory_ = root_ + "/audit";
  }
  ~LogTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<AuditLog> openLog(std::uint64_t rotateAt = 64 << 20) {
    auto log = AuditLog::open(directory_, clock_, rotateAt);
    EXPECT_TRUE(log) << log.error().message();
    return log ? *std::move(log) : nullptr;
  }
  // `count` events; every one a millisecond after the other.
  void fill(AuditLog& log, int count, const std::string& agent = "maker") {
    for (int i = 0; i < count; ++i) {
      clock_.advance(std::chrono::milliseconds(1));
      auto entry = log.append({.kind = "test.step", .actor = "agentd", .agent = agent, .data = {{"i", i}}});
      ASSERT_TRUE(entry) << entry.error().message();
    }
  }
  std::string path(const std::string& file = "audit-000001.jsonl") const { return directory_ + "/" + file; }
  static std::string bytesOf(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static void put(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  // Lines with their newlines.
  static std::vector<std::string> linesOf(const std::string& path) {
    std::vector<std::string> lines;
    std::istringstream text(bytesOf(path));
    for (std::string line; std::getline(text, line);) lines.push_back(line + "\n");
    return lines;
  }
  static void putLines(const std::string& path, const std::vector<std::string>& lines) {
    std::string all;
    for (const auto& line : lines) all += line;
    put(path, all);
  }
  AuditVerdict verify(const std::vector<AuditHead>& anchors = {}) const {
    auto verdict = verifyAudit(directory_, anchors);
    EXPECT_TRUE(verdict) << verdict.error().message();
    return verdict.value_or(AuditVerdict{});
  }

  FakeClock clock_{Timestamp(std::chrono::seconds(1'795'000'000))};
  std::string root_, directory_;
};

}  // namespace agentos::govern
