// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "tool_test.h"

namespace agentos::runner {
namespace {

using testing::HasSubstr;
class FileToolsTest : public ToolTest {};

TEST_F(FileToolsTest, ReadsWholeFilesAndLines) {
  room.write("a.txt", "one\ntwo\nthree");
  EXPECT_EQ(text("fs.read", {{"path", "a.txt"}}), "one\ntwo\nthree");
  EXPECT_EQ(text("fs.read", {{"path", "a.txt"}, {"from_line", 2}, {"lines", 1}}), "two\n");
  EXPECT_EQ(text("fs.read", {{"path", "a.txt"}, {"from_line", 3}}), "three");
  EXPECT_THAT(text("fs.read", {{"path", "a.txt"}, {"from_line", 4}}), HasSubstr("the file has 3"));
  room.write("empty", "");
  EXPECT_EQ(text("fs.read", {{"path", "empty"}}), "(empty file)");
}

TEST_F(FileToolsTest, WhatIsNoTextFileIsNotRead) {
  room.write("bin", std::string("a\0b", 3));
  room.write("latin", "\xe4\xf6");
  room.write("big", std::string(2 << 20, 'x'));
  mkfifo((room.path + "/pipe").c_str(), 0600);
  std::filesystem::create_symlink("/etc/passwd", room.path + "/link");
  EXPECT_THAT(text("fs.read", {{"path", "bin"}}), HasSubstr("no text"));
  EXPECT_THAT(text("fs.read", {{"path", "latin"}}), HasSubstr("no text"));
  EXPECT_FALSE(use("fs.read", {{"path", "big"}}));
  EXPECT_THAT(text("fs.read", {{"path", "pipe"}}), HasSubstr("no file"));  // and does not wait for a writer
  EXPECT_FALSE(use("fs.read", {{"path", "link"}}));
  EXPECT_FALSE(use("fs.read", {{"path", "."}}));
  EXPECT_FALSE(use("fs.read", {{"path", "none"}}));
  EXPECT_FALSE(use("fs.read", {{"path", "/etc/passwd"}}));
}

TEST_F(FileToolsTest, WritesReplacesAndAppends) {
  EXPECT_TRUE(use("fs.write", {{"path", "deep/er/a.sh"}, {"content", "one\n"}}));
  EXPECT_EQ(room.read("deep/er/a.sh"), "one\n");
  chmod((room.path + "/deep/er/a.sh").c_str(), 0750);
  EXPECT_TRUE(use("fs.write", {{"path", "deep/er/a.sh"}, {"content", "two\n"}, {"append", true}}));
  EXPECT_EQ(room.read("deep/er/a.sh"), "one\ntwo\n");
  struct stat status{};
  stat((room.path + "/deep/er/a.sh").c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777, 0750U);
  EXPECT_TRUE(use("fs.write", {{"path", "new"}, {"content", ""}, {"append", true}}));
  EXPECT_THAT(diary.changed, testing::ElementsAre(room.path + "/deep/er/a.sh", room.path + "/new"));
}

TEST_F(FileToolsTest, WritesNothingOutsideOrOverWhatIsNoFile) {
  std::filesystem::create_symlink("/tmp/agentos-must-not-be", room.path + "/link");
  std::filesystem::create_directory(room.path + "/folder");
  EXPECT_FALSE(use("fs.write", {{"path", "link"}, {"content", "x"}}));
  EXPECT_FALSE(use("fs.write", {{"path", "folder"}, {"content", "x"}}));
  EXPECT_FALSE(use("fs.write", {{"path", "../evil"}, {"content", "x"}}));
  EXPECT_FALSE(use("fs.write", {{"path", "big"}, {"content", std::string((1 << 20) + 1, 'x')}}));
  EXPECT_FALSE(std::filesystem::exists("/tmp/agentos-must-not-be"));
  EXPECT_TRUE(diary.changed.empty());
}

TEST_F(FileToolsTest, EditsExactlyOnePlaceUnlessToldAll) {
  room.write("a", "x = 1; y = 1;");
  EXPECT_THAT(text("fs.edit", {{"path", "a"}, {"old", "= 1"}, {"new", "= 2"}}), HasSubstr("occurs 2 times"));
  EXPECT_THAT(text("fs.edit", {{"path", "a"}, {"old", "z"}, {"new", "w"}}), HasSubstr("does not occur"));
  EXPECT_FALSE(use("fs.edit", {{"path", "a"}, {"old", ""}, {"new", "w"}}));
  EXPECT_EQ(room.read("a"), "x = 1; y = 1;");
  EXPECT_TRUE(use("fs.edit", {{"path", "a"}, {"old", "x = 1"}, {"new", "x = 3"}}));
  EXPECT_TRUE(use("fs.edit", {{"path", "a"}, {"old", "="}, {"new", "=="}, {"all", true}}));
  EXPECT_EQ(room.read("a"), "x == 3; y == 1;");
}

TEST_F(FileToolsTest, ListsToADepthAndABound) {
  room.write("b/c/d", "12345");
  room.write("a", "1");
  std::filesystem::create_directory_symlink(".", room.path + "/loop");
  EXPECT_EQ(text("fs.list", Json::object()), "a 1\nb/\nloop (link)\n");
  EXPECT_EQ(text("fs.list", {{"depth", 3}}), "a 1\nb/\nb/c/\nb/c/d 5\nloop (link)\n");
  for (int i = 0; i < 600; ++i) room.write("many/" + std::to_string(i), "");
  EXPECT_THAT(text("fs.list", {{"path", "many"}}), HasSubstr("more than 500"));
}

TEST_F(FileToolsTest, SearchesLines) {
  room.write("a.md", "one needle\ntwo\n");
  room.write("b/c.txt", "needle");
  room.write("bin", std::string("needle\0", 7));
  EXPECT_EQ(text("fs.search", {{"text", "needle"}}), "a.md:1: one needle\nb/c.txt:1: needle\n");
  EXPECT_EQ(text("fs.search", {{"text", "needle"}, {"glob", "*.md"}}), "a.md:1: one needle\n");
  EXPECT_EQ(text("fs.search", {{"text", "haystack"}}), "no line has it");
  std::string many;
  for (int i = 0; i < 300; ++i) many += "needle\n";
  room.write("many", many);
  EXPECT_THAT(text("fs.search", {{"text", "needle"}}), HasSubstr("stopped early"));
}

TEST_F(FileToolsTest, ArgumentsAreChecked) {
  for (const char* bad : {"{", "[]", "7", "{}", R"({"path":7})", R"({"path":"a","extra":1})",
                          R"({"path":"a","lines":0})", R"({"path":"a","lines":"2"})", R"({"path":"a","path":"b"})"})
    EXPECT_EQ(useText("fs.read", bad).error().code == ErrorCode::kNotFound, false) << bad;
  EXPECT_THAT(useText("fs.read", "{").error().message(), HasSubstr("arguments of fs.read are {"));
}

TEST(Toolbox, OffersWhatTheContractGrants) {
  const auto names = [](std::vector<std::string> capabilities, bool task) {
    Identity self;
    self.capabilities = std::move(capabilities);
    return Toolbox(self, task).names();
  };
  EXPECT_EQ(names({"fs.read", "web.fetch"}, true), "fs.read");
  EXPECT_EQ(names({"task.*", "fs.l*"}, true), "fs.list, task.complete, task.submit, task.fail");
  EXPECT_EQ(names({"task.*", "message.send"}, false), "message.send");
  EXPECT_EQ(names({}, true), "");
  Identity self;
  self.capabilities = {"*"};
  const Toolbox all(self, true);
  EXPECT_EQ(all.find("fs_read"), all.find("fs.read"));
  EXPECT_NE(all.find("fs_read"), nullptr);
  EXPECT_EQ(all.find("fs-read"), nullptr);
  for (const Json& tool : all.offered()) {
    EXPECT_EQ(tool["function"]["name"].get<std::string>().find('.'), std::string::npos);
    EXPECT_EQ(tool["function"]["parameters"]["type"], "object");
    EXPECT_TRUE(tool["function"]["parameters"]["properties"].is_object()) << dumpJson(tool);
    EXPECT_TRUE(tool["function"]["parameters"]["required"].is_array()) << dumpJson(tool);
  }
}

}  // namespace
}  // namespace agentos::runner
