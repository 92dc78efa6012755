// SPDX-License-Identifier: Apache-2.0
// `system doctor` with a machine of the test's making: a program in the spawner's place says what it found.
#include <sys/stat.h>

#include "cli_fixture.h"

namespace agentos::agentctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DoctorTest : public CliTest {
 protected:
  DoctorTest() {
    server().on("GET /v1/system", {.body = R"json({"version":"9.9","pid":1,"audit":{"sequence":5}})json"});
    server().on("GET /readyz", {.body = R"json({"status":"ready"})json"});
    server().on("GET /v1/agents", {.body = R"json({"items":[],"next":null})json"});
    server().on("GET /v1/audit/verify", {.body = R"json({"state":"intact","events":5})json"});
    std::filesystem::copy_file(AGENTCTL, directory() + "/agentctl");
  }
  std::string directory() const {
    const std::string path = socket();
    return path.substr(0, path.rfind('/'));
  }
  void spawnerSays(const std::string& script) {
    write("agentd-spawner", "#!/bin/sh\n" + script);
    ASSERT_EQ(::chmod((directory() + "/agentd-spawner").c_str(), 0755), 0);
  }
  // The copy of agentctl that stands beside that program.
  Ran doctor(const std::vector<std::string>& more = {}) {
    std::string command = "cd / && '" + directory() + "/agentctl' --prefix '" + directory() + "/house' --socket '" +
                          socket() + "' system doctor";
    for (const auto& word : more) command += " " + word;
    command += " > '" + directory() + "/out' 2> '" + directory() + "/err'";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("out"), read("err")};
  }
};

constexpr const char* kFound =
    R"json([{"name":"seccomp","state":"ok","what":"calls are filtered","tried":"it was loaded","remedy":""},
{"name":"memory","state":"warning","what":"memory limits are not enforced","tried":"memory.max was written","remedy":"boot with x"}])json";

TEST_F(DoctorTest, EachWallIsShownWithHowItWasTriedAndItsRemedy) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root's doctor tries the machine";
  spawnerSays(std::string("echo '") + kFound + "'\n");
  auto ran = doctor();
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("ok       calls are filtered [it was loaded]"));
  EXPECT_THAT(ran.out,
              HasSubstr("warning  memory limits are not enforced [memory.max was written]\n         boot with x"));
  EXPECT_THAT(ran.out, HasSubstr("agentd is ready"));
  auto json = Json::parse(doctor({"-o", "json"}).out);
  EXPECT_EQ(json["items"][1]["name"], "memory");
  EXPECT_EQ(json["items"][1]["tried"], "memory.max was written");
  EXPECT_EQ(json["items"][1]["remedy"], "boot with x");
}

TEST_F(DoctorTest, AWallThatIsNotThereIsAFailureForScripts) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root's doctor tries the machine";
  spawnerSays(
      "echo '[{\"name\":\"seccomp\",\"state\":\"failed\",\"what\":\"no filter\",\"tried\":\"x\",\"remedy\":\"y\"}]'\n");
  EXPECT_EQ(doctor().status, 1);
}

TEST_F(DoctorTest, AConfigurationThatTheSpawnerRefusesIsNamedAndTheMachineTriedWithoutIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root's doctor tries the machine";
  std::filesystem::create_directories(directory() + "/house/etc/agentd");
  std::ofstream(directory() + "/house/etc/agentd/agentd.yaml") << "x";
  spawnerSays(std::string("case \"$*\" in *--config*) echo 'line 1: no' >&2; exit 2;; esac\necho '") + kFound + "'\n");
  auto ran = doctor();
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("line 1: no"));
  EXPECT_THAT(ran.out, HasSubstr("calls are filtered"));
}

TEST_F(DoctorTest, WhatCouldNotBeTriedIsSaid) {
  auto without = doctor();
  EXPECT_THAT(without.out, HasSubstr("were not tried: "));
  EXPECT_EQ(without.status, 0) << without.out;
  if (::geteuid() != 0) return;
  for (const char* nonsense : {"echo nonsense", "echo '{}'", "echo '[{\"state\":\"fine\"}]'", "kill -9 $$", "exit 1"}) {
    SCOPED_TRACE(nonsense);
    spawnerSays(nonsense);
    auto ran = doctor();
    EXPECT_THAT(ran.out, HasSubstr("were not tried: "));
    EXPECT_THAT(ran.out, Not(HasSubstr("calls are filtered")));
  }
}

}  // namespace
}  // namespace agentos::agentctl
