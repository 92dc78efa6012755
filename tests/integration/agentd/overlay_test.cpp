// SPDX-License-Identifier: Apache-2.0
// Trees of mode overlay, from the contract to the live tree: with real rooms, and the helper in one of its own.
#include <filesystem>
#include <fstream>

#include "real_agentd.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

class Changes : public testing::Test {
 protected:
  void begin(const std::string& mode, const std::string& script) {
    agentd.contract("maker", (mode == "job" ? "run: { mode: job" : "schedule: { on: [task] }\nrun: { mode: cycle") +
                                 std::string(", timeout: 1m, command: [\"/bin/sh\", \"-ec\", ") + Json(script).dump() +
                                 "] }\nworkspace: { mounts: [{ source: products/shop, target: /workspace, mode: "
                                 "overlay }] }\n");
    agentd.start();
    fs::create_directories(agentd.company() + "/products/shop/sub");
    write("kept", "kept\n"), write("changed", "before\n"), write("gone", "gone\n"), write("sub/inner", "inner\n");
    giveToCompany(agentd.company() + "/products");
  }
  void giveToCompany(const std::string& tree) {
    EXPECT_EQ(runProgram({"/bin/chown", "-R", "--reference=" + agentd.company(), tree}).status, 0);
  }
  std::string shop(const std::string& name) { return agentd.company() + "/products/shop/" + name; }
  void write(const std::string& name, const std::string& text) { std::ofstream(shop(name)) << text; }
  std::string live(const std::string& name) { return readWhole(shop(name)); }
  bool isBefore() {
    return live("changed") == "before\n" && live("gone") == "gone\n" && !fs::exists(shop("new")) &&
           live("sub/inner") == "inner\n";
  }
  bool isAfter() {
    return live("changed") == "after\n" && !fs::exists(shop("gone")) && live("new/file") == "made\n" &&
           live("kept") == "kept\n" && live("sub/inner") == "inner\n";
  }
  std::string place() { return agentd.prefix() + "/var/lib/agentd/scratch/.overlays"; }
  bool nothingKept() { return !fs::exists(place()) || fs::is_empty(place()); }
  std::string spawnJob() {
    const Answer answer = agentd.ctl({"spawn", "--contract", agentd.prefix() + "/etc/agents/maker.yaml", "-o", "json"});
    EXPECT_EQ(answer.status, 0) << answer.err << agentd.log();
    const std::string id = answer.json().value("id", "");
    agentd.ctl({"wait", id});
    return id;
  }
  RealAgentd agentd;
};

constexpr const char* kWork =
    "cd /workspace; cat kept; echo after > changed; rm gone; mkdir new; echo made > new/file; touch sub/inner";

TEST_F(Changes, AreCommittedWhenTheTaskIsDone) {
  begin("cycle", std::string(kWork) + "; test -e /workspace/new/file");
  const std::string task = agentd.addTask("make it", "maker");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "done"; }, 30s)) << agentd.log();
  EXPECT_TRUE(isAfter()) << agentd.log();
  EXPECT_TRUE(eventually([&] { return nothingKept(); }));
}

TEST_F(Changes, AreThrownAwayWhenTheAttemptFails) {
  begin("cycle", std::string(kWork) + "; exit 3");
  const std::string task = agentd.addTask("fail it", "maker");
  EXPECT_TRUE(eventually([&] { return agentd.status("maker")["state"] == "exited"; }, 30s));
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "queued"; }));
  EXPECT_TRUE(isBefore());
  EXPECT_TRUE(eventually([&] { return nothingKept(); }));
}

TEST_F(Changes, OfARunWithoutATaskWaitForAWord) {
  begin("job", kWork);
  const std::string id = spawnJob();
  EXPECT_TRUE(isBefore());
  const Json diff = agentd.ask({"diff", id});
  ASSERT_EQ(diff["items"].size(), 4U) << diff.dump();
  EXPECT_NE(diff.dump().find("/workspace/new/file"), std::string::npos);
  // Somebody else was at it meanwhile: the whole is refused, and said.
  write("changed", "theirs\n");
  Answer refused = agentd.ctl({"commit", id});
  EXPECT_EQ(refused.status, 4);
  EXPECT_NE(refused.err.find("changed"), std::string::npos) << refused.err;
  EXPECT_EQ(live("changed"), "theirs\n");
  EXPECT_EQ(live("gone"), "gone\n");
  EXPECT_NE(agentd.ask({"diff", id}).dump().find("conflict"), std::string::npos);
  write("changed", "before\n");
  EXPECT_EQ(agentd.ctl({"commit", id}).status, 0) << agentd.log();
  EXPECT_TRUE(isAfter());
  EXPECT_EQ(agentd.ctl({"commit", id}).status, 5);
  EXPECT_TRUE(eventually([&] { return nothingKept(); }));
}

// The clash comes while the agent works: its task is not done, a person looks, and accepting it commits.
TEST_F(Changes, ThatClashSendTheTaskToReviewAndAreCommittedWhenItIsAccepted) {
  begin("cycle", std::string(kWork) + "; echo ready; sleep 2");
  const std::string task = agentd.addTask("make it", "maker");
  ASSERT_TRUE(eventually([&] {
    const std::string id = agentd.status("maker").value("id", "");
    return !id.empty() && agentd.countOutput(id, "ready") == 1;
  })) << agentd.log();
  write("changed", "theirs\n");
  EXPECT_TRUE(eventually([&] { return agentd.statusOf(task) == "in-review"; }, 30s)) << agentd.log();
  Answer refused = agentd.ctl({"task", "complete", task});
  EXPECT_EQ(refused.status, 4);
  EXPECT_EQ(agentd.statusOf(task), "in-review");
  EXPECT_NE(agentd.ask({"task", "diff", task}).dump().find("conflict"), std::string::npos);
  write("changed", "before\n");
  EXPECT_EQ(agentd.ctl({"task", "complete", task}).status, 0) << agentd.log();
  EXPECT_EQ(agentd.statusOf(task), "done");
  EXPECT_TRUE(isAfter());
}

TEST_F(Changes, AreThrownAwayByAWord) {
  begin("job", kWork);
  const std::string id = spawnJob();
  EXPECT_EQ(agentd.ctl({"discard", id}).status, 0);
  EXPECT_TRUE(isBefore());
  EXPECT_TRUE(eventually([&] { return nothingKept(); }));
  EXPECT_EQ(agentd.ctl({"diff", id}).status, 5);
}

// What only a hostile program leaves: the helper refuses the whole, and nothing of it is followed.
TEST_F(Changes, ThatLeadOutAreNeverCommitted) {
  begin("job", "cd /workspace; echo after > changed; ln -s /etc/shadow stolen; mkfifo pipe");
  const std::string id = spawnJob();
  Answer refused = agentd.ctl({"commit", id});
  EXPECT_EQ(refused.status, 4);
  EXPECT_NE(refused.err.find("stolen"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("pipe"), std::string::npos) << refused.err;
  EXPECT_TRUE(isBefore());
  EXPECT_FALSE(fs::exists(fs::symlink_status(shop("stolen"))));
}

TEST_F(Changes, HeldOnesOutliveTheDaemonAndAcceptedOnesAreGoneOnWith) {
  begin("job", kWork);
  const std::string id = spawnJob();
  EXPECT_EQ(agentd.stop(), 0);
  // As a daemon leaves it that was killed after its word and before its helper's.
  const std::string file = place() + "/" + id + "/run.json";
  Json run = Json::parse(readWhole(file));
  EXPECT_EQ(run["state"], "held");
  run["state"] = "accepted";
  std::ofstream(file) << run.dump();
  // And one whose run nobody knows.
  fs::create_directories(place() + "/maker.zzzzzz/0/base");
  giveToCompany(place());
  agentd.start();
  EXPECT_TRUE(eventually([&] { return isAfter(); })) << agentd.log();
  EXPECT_TRUE(eventually([&] { return nothingKept(); }));
}

}  // namespace
}  // namespace agentos::test
