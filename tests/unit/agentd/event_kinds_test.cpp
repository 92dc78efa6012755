// SPDX-License-Identifier: Apache-2.0
// The table of events, the catalog that explains them, and the sources that make them, held together.
#include "agentd/event_kinds.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace agentos::agentd {
namespace {

namespace fs = std::filesystem;

std::string readWhole(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// An entry of the catalog (systemd's format): headers, an empty line, the words.
struct CatalogEntry {
  std::map<std::string, std::string> headers;
  std::string body;
};

std::map<std::string, CatalogEntry> readCatalog() {
  std::map<std::string, CatalogEntry> catalog;
  std::istringstream text(readWhole(AGENTOS_SOURCE "/packaging/journal/agentd.catalog"));
  CatalogEntry* entry = nullptr;
  bool inBody = false;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("-- ")) {
      EXPECT_FALSE(catalog.contains(line.substr(3))) << line << " stands there twice";
      entry = &catalog[line.substr(3)];
      inBody = false;
    } else if (entry != nullptr && !inBody && line.empty()) {
      inBody = true;
    } else if (entry != nullptr && !inBody) {
      entry->headers[line.substr(0, line.find(": "))] = line.substr(line.find(": ") + 2);
    } else if (entry != nullptr) {
      entry->body += line + "\n";
    }
  }
  return catalog;
}

TEST(EventKinds, EachHasAnIdOfItsOwnAndACatalogEntry) {
  const auto catalog = readCatalog();
  std::set<std::string_view> names, ids;
  for (const auto& kind : eventKinds()) {
    EXPECT_TRUE(names.insert(kind.kind).second) << kind.kind;
    EXPECT_TRUE(ids.insert(kind.messageId).second) << kind.kind;
    EXPECT_TRUE(std::regex_match(std::string(kind.messageId), std::regex("[0-9a-f]{32}"))) << kind.kind;
    EXPECT_FALSE(kind.words.empty()) << kind.kind;
    auto entry = catalog.find(std::string(kind.messageId));
    ASSERT_NE(entry, catalog.end()) << "packaging/journal/agentd.catalog lacks " << kind.kind << " " << kind.messageId;
    for (const char* header : {"Subject", "Defined-By", "Support"})
      EXPECT_TRUE(entry->second.headers.contains(header)) << kind.kind << " " << header;
    EXPECT_TRUE(entry->second.body.ends_with("\nEvent: " + std::string(kind.kind) + "\n\n") ||
                entry->second.body.ends_with("\nEvent: " + std::string(kind.kind) + "\n"))
        << kind.kind << ": " << entry->second.body;
    // What it means, and what to do: two paragraphs.
    EXPECT_NE(entry->second.body.find("\n\n"), std::string::npos) << kind.kind;
  }
  EXPECT_EQ(catalog.size(), ids.size()) << "the catalog has entries of no kind";
}

// Names in the sources that have the shape of an event's kind, and are another thing.
bool isOther(const std::string& name) {
  static const std::set<std::string> others{"task.complete", "task.fail",   "task.submit",
                                            "message.send",  "agentd.lock", "agentd.pid",
                                            "agentd.sock",   "agentd.yaml", "agentd.db"};
  return others.contains(name);
}

TEST(EventKinds, EveryKindThatTheSourcesNameIsInTheTable) {
  const std::regex shape("\"((?:agentd|instance|limit|task|cycle|message|model|audit)\\.[a-z_]+)\"");
  std::set<std::string> found;
  for (const char* folder : {"agentd", "company/queue", "govern"}) {
    for (const auto& file : fs::recursive_directory_iterator(fs::path(AGENTOS_SOURCE "/src") / folder)) {
      if (file.path().extension() != ".cpp" || file.path().filename() == "event_kinds.cpp") continue;
      const std::string text = readWhole(file.path());
      for (std::sregex_iterator at(text.begin(), text.end(), shape), end; at != end; ++at) found.insert((*at)[1]);
    }
  }
  EXPECT_GT(found.size(), 25U) << "the search finds nothing";
  for (const auto& name : found) {
    if (!isOther(name)) EXPECT_FALSE(eventKind(name).messageId.empty()) << name << " is not in event_kinds.cpp";
  }
}

govern::AuditEvent event(std::string kind, Json data) {
  return {.kind = std::move(kind),
          .actor = "agentd",
          .agent = "maker",
          .instance = "maker.k3x7q2",
          .task = "task-2026-1120-001",
          .contract = "",
          .trace = "",
          .data = std::move(data)};
}

TEST(EventKinds, TheEndByALimitHasAKindOfItsOwn) {
  EXPECT_EQ(kindOf(event("instance.ended", {{"exit", {{"oom_kills", 0}}}})).kind, "instance.ended");
  EXPECT_EQ(kindOf(event("instance.ended", {{"exit", {{"oom_kills", 2}}}})).kind, "instance.oom");
  EXPECT_EQ(kindOf(event("instance.ended", {{"limit", "run.timeout"}})).kind, "instance.limit");
  EXPECT_EQ(kindOf(event("instance.ended", {{"exit", "gone"}})).kind, "instance.ended");
  EXPECT_EQ(kindOf(event("instance.ended", Json::array())).kind, "instance.ended");
  EXPECT_EQ(kindOf(event("never.heard", Json::object())).messageId, "");
  EXPECT_EQ(kindOf(event("never.heard", Json::object())).kind, "never.heard");
}

TEST(EventKinds, TheTextIsOneLineForPeople) {
  EXPECT_EQ(textOf(event("instance.ended", {{"reason", "exit status 1"}, {"model_calls", 3}, {"exit", {{"code", 1}}}})),
            "maker.k3x7q2: ended: exit status 1 task=task-2026-1120-001 model_calls=3");
  govern::AuditEvent plain{.kind = "agentd.stopped", .actor = "agentd"};
  EXPECT_EQ(textOf(plain), "stopped");
  EXPECT_EQ(textOf(event("never.heard", nullptr)), "maker.k3x7q2: never.heard task=task-2026-1120-001");
}

TEST(EventKinds, WhatAnAgentWroteCannotEndTheLine) {
  auto text = textOf(
      event("task.failed", {{"detail", "a\n2026-11-20 agentd: all is well\x1b[2J\xC2\x9B\xFF"}, {"file", "x\r\ny"}}));
  for (char c : text) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << text;
  EXPECT_NE(text.find("a\\n2026"), std::string::npos) << text;
  auto longest =
      textOf(event("task.failed", {{"detail", std::string(1 << 20, 'x')}, {"file", std::string(1 << 20, 'y')}}));
  EXPECT_LT(longest.size(), 1000U);
}

}  // namespace
}  // namespace agentos::agentd
