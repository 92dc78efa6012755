// SPDX-License-Identifier: Apache-2.0
// The manual and --help are two views of one tree: what one names, the other names.
#include <regex>

#include "cli_fixture.h"
#include "contract/schema.h"

namespace agentos::agentctl {
namespace {

class Manual : public CliTest {
 protected:
  Ran say(const std::vector<std::string>& args) { return run(args, false); }
  std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  // Every --word of a help text.
  std::vector<std::string> flagsOf(const std::string& help) {
    static const std::regex kFlag("(^|[ ,])--([a-z][a-z-]*)");
    std::vector<std::string> flags;
    for (std::sregex_iterator at(help.begin(), help.end(), kFlag), end; at != end; ++at) flags.push_back((*at)[2]);
    return flags;
  }
};

TEST_F(Manual, EveryFlagOfEveryHelpIsInItsPage) {
  const auto names = lines(say({"__manual", "--names"}).out);
  ASSERT_GT(names.size(), 20U);
  std::size_t flags = 0;
  for (const auto& name : names) {
    const auto page = say({"__manual", name});
    ASSERT_EQ(page.status, 0) << name << page.err;
    EXPECT_TRUE(page.out.starts_with("agentctl-" + name + "(1)\n")) << page.out.substr(0, 80);
    std::vector<std::string> helps = {say({name, "--help"}).out};
    static const std::regex kVerb("\n## ([a-z]+)\n");
    for (std::sregex_iterator at(page.out.begin(), page.out.end(), kVerb), end; at != end; ++at)
      helps.push_back(say({name, (*at)[1], "--help"}).out);
    for (const auto& help : helps) {
      for (const auto& flag : flagsOf(help)) {
        ++flags;
        EXPECT_NE(page.out.find("*--" + flag + "*"), std::string::npos) << name << " --" << flag;
      }
    }
  }
  EXPECT_GT(flags, 60U);
}

TEST_F(Manual, TheFirstPageNamesEveryOther) {
  const auto page = say({"__manual"}).out;
  for (const auto& name : lines(say({"__manual", "--names"}).out))
    EXPECT_NE(page.find("*agentctl-" + name + "*(1)"), std::string::npos) << name;
  for (const auto& flag : flagsOf(say({"--help"}).out))
    EXPECT_NE(page.find("*--" + flag + "*"), std::string::npos) << flag;
}

TEST_F(Manual, EveryNameIsOneOfTheBuildsList) {
  std::ifstream file(AGENTOS_SOURCE_DIR "/cmake/PackageGenerated.cmake");
  const std::string cmake((std::istreambuf_iterator<char>(file)), {});
  const auto begin = cmake.find("set(manual_agentctl ") + 20, end = cmake.find(')', begin);
  std::istringstream words(cmake.substr(begin, end - begin));
  std::vector<std::string> listed;
  for (std::string word; words >> word;) listed.push_back(word);
  EXPECT_THAT(listed, ::testing::UnorderedElementsAreArray(lines(say({"__manual", "--names"}).out)));
}

TEST_F(Manual, TheContractsPageHasEveryField) {
  const auto page = say({"__manual", "--contract"}).out;
  for (const auto& field : contract::fields()) {
    std::string path;
    for (char c : field.path)
      path +=
          std::string_view("\\*_`#[]|<>").find(c) != std::string_view::npos ? std::string("\\") + c : std::string(1, c);
    EXPECT_NE(page.find("\n*" + path + "* ("), std::string::npos) << field.path;
  }
}

TEST_F(Manual, AnUnknownPageIsRefused) {
  const auto page = say({"__manual", "nonsense"});
  EXPECT_EQ(page.status, 5);
  EXPECT_NE(page.err.find("nonsense"), std::string::npos);
}

}  // namespace
}  // namespace agentos::agentctl
