// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/room_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "../base/scratch_directory.h"
#include "agentd/supervisor/launch_record.h"
#include "contract/loader.h"
#include "sandbox/exit_record.h"

namespace agentos::agentd {
namespace {

struct Fixture {
  test::ScratchDirectory directory;
  Paths paths{directory.path()};
  std::unique_ptr<company::Company> company;
  contract::Contract contract;
  InstanceId id = *InstanceId::parse("maker.abc234");

  Fixture() {
    EXPECT_TRUE(company::Company::init(directory.path() + "/acme", "Acme", "UTC"));
    company = *company::Company::open(directory.path() + "/acme");
    contract.name = *AgentName::parse("maker");
    contract.run.command = {"/bin/true"};
    for (const char* path : {"agents/state/maker", "agents/state/other", "agents/messages/maker",
                             "agents/messages/other", "products/site"}) {
      std::filesystem::create_directories(company->path() + "/" + path);
    }
  }
  RoomInput input() {
    return {.id = id,
            .contract = contract,
            .paths = paths,
            .company = company.get(),
            .runtime = "/usr",
            .claim = {},
            .trace = "t",
            .logRotateAt = {1 << 20},
            .logKeep = 4,
            .launchRecord = "{}"};
  }
  const sandbox::RoomMount* mountAt(const std::vector<sandbox::RoomMount>& mounts, const std::string& target) {
    auto found = std::ranges::find(mounts, target, &sandbox::RoomMount::target);
    return found == mounts.end() ? nullptr : &*found;
  }
};

TEST(RoomPlan, TheCompanyIsAViewOfItsOwn) {
  Fixture f;
  auto mounts = makeMounts(f.input());
  ASSERT_TRUE(mounts) << mounts.error().message();
  ASSERT_NE(f.mountAt(*mounts, "/company/agents/state/maker"), nullptr);
  EXPECT_NE(f.mountAt(*mounts, "/company/agents/tasks"), nullptr);
  EXPECT_EQ(f.mountAt(*mounts, "/company/agents/state/other"), nullptr);
  EXPECT_EQ(f.mountAt(*mounts, "/company/agents/messages/other"), nullptr);
  EXPECT_EQ(f.mountAt(*mounts, "/company/products/site"), nullptr);
  EXPECT_EQ(f.mountAt(*mounts, "/company"), nullptr) << "never the whole";
  for (const auto& mount : *mounts) {
    if (mount.target.starts_with("/company")) EXPECT_FALSE(mount.writable) << mount.target;
  }
  EXPECT_TRUE(f.mountAt(*mounts, "/home/agent")->writable);
  EXPECT_FALSE(f.mountAt(*mounts, "/runtime")->writable);
  EXPECT_FALSE(f.mountAt(*mounts, "/context")->writable);
}

TEST(RoomPlan, AMountThatLeavesTheCompanyIsRefused) {
  Fixture f;
  std::filesystem::create_directory_symlink("/etc", f.company->path() + "/products/link");
  for (const char* source : {"../../etc", "products/link", "products/link/ssl", "products/none"}) {
    f.contract.workspace.mounts = {{source, "/workspace", contract::MountMode::kReadWrite}};
    EXPECT_FALSE(makeRoomPlan(f.input())) << source;
  }
  f.contract.workspace.mounts = {{"products/site", "/workspace", contract::MountMode::kReadWrite}};
  auto plan = makeRoomPlan(f.input());
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->workDir, "/workspace");
  EXPECT_TRUE(f.mountAt(plan->mounts, "/workspace")->writable);
}

TEST(RoomPlan, AContractsEnvironmentDoesNotChangeWhoTheAgentIsNorItsWayOut) {
  Fixture f;
  f.contract.run.env = {{"LANG", "de_DE"}, {"AGENT_ID", "root.aaaaaa"}, {"HTTPS_PROXY", "http://evil"}, {"MINE", "1"}};
  const auto env = makeEnvironment(f.input());
  auto valueOf = [&](const std::string& name) {
    auto found = std::ranges::find(env, name, [](const auto& one) { return one.first; });
    return found == env.end() ? "" : found->second;
  };
  EXPECT_EQ(valueOf("LANG"), "de_DE");
  EXPECT_EQ(valueOf("MINE"), "1");
  EXPECT_EQ(valueOf("AGENT_ID"), f.id.str());
  EXPECT_EQ(valueOf("HTTPS_PROXY"), "http://127.0.0.1:4243");
  EXPECT_EQ(valueOf("NO_PROXY"), "127.0.0.1,localhost");
  EXPECT_EQ(valueOf("OPENAI_BASE_URL"), "http://127.0.0.1:4242/v1");
  EXPECT_EQ(valueOf("TRACEPARENT").size(), 55U);
}

TEST(RoomPlan, WithoutAProgramTheRunnerServesAndWithoutARuntimeNobodyDoes) {
  Fixture f;
  f.contract.run.command.clear();
  EXPECT_EQ(makeRoomPlan(f.input())->command.front(), "/runtime/bin/agent-runner");
  auto input = f.input();
  input.runtime.clear();
  EXPECT_EQ(makeRoomPlan(input).error().code, ErrorCode::kRefused);
}

TEST(RoomPlan, LimitsAreTheContracts) {
  Fixture f;
  f.contract.compute.mem = Bytes{1 << 30};
  auto limits = limitsOf(f.contract);
  EXPECT_EQ(limits.memory, Bytes{1 << 30});
  EXPECT_EQ(limits.pids, 512);
  EXPECT_FALSE(limits.cpu);
  EXPECT_FALSE(limits.cpus);
  EXPECT_FALSE(limits.scratchQuota);
}

TEST(RoomPlan, ShowsAsManyProcessorsAsItsShareFills) {
  Fixture f;
  f.contract.compute.cpu = MilliCpu{1001};
  EXPECT_EQ(limitsOf(f.contract).cpus, 2);
  f.contract.compute.cpu = MilliCpu{1000};
  EXPECT_EQ(limitsOf(f.contract).cpus, 1);
  f.contract.latency = contract::LatencyClass::kHrt;
  EXPECT_FALSE(limitsOf(f.contract).cpus) << "a deadline task cannot be bound to a processor";
}

TEST(RoomPlan, TheScratchIsBoundedByItsOwnSizeOrTheDisks) {
  Fixture f;
  f.contract.compute.disk = Bytes{2 << 20};
  EXPECT_EQ(limitsOf(f.contract).scratchQuota, Bytes{2 << 20});
  f.contract.workspace.scratch = Bytes{1 << 20};
  EXPECT_EQ(limitsOf(f.contract).scratchQuota, Bytes{1 << 20});
  f.contract.compute.disk.reset(), f.contract.workspace.scratch.reset();
  f.contract.workspace.encrypted = true;
  EXPECT_EQ(limitsOf(f.contract).scratchQuota, Bytes{1 << 30}) << "what is made for a run needs some size";
  EXPECT_TRUE(limitsOf(f.contract).scratchEncrypted);
}

TEST(RoomPlan, DiskWorkAndWeightsAreTheContracts) {
  Fixture f;
  f.contract.compute.memHigh = Bytes{1 << 20};
  f.contract.compute.cpuWeight = 77;
  f.contract.compute.ioMax = {Bytes{1}, Bytes{2}, 3, 4};
  auto limits = limitsOf(f.contract);
  EXPECT_EQ(limits.memoryHigh, Bytes{1 << 20});
  EXPECT_EQ(limits.cpuWeight, 77) << "what is written wins over the class";
  EXPECT_EQ(limits.ioMax, (sandbox::IoMax{Bytes{1}, Bytes{2}, 3, 4}));
}

// What re-adoption goes by: the contract comes back as it was in force.
TEST(LaunchRecord, TheContractComesBackAsItWas) {
  const std::string text = R"(apiVersion: agentos/v0.2
kind: AgentContract
name: maker
class: { latency: SRT, slo: { onset_ms: 250 } }
capabilities: [fs.read, task.complete]
compute: { cpu: "1.5", mem: 256MiB, pids: 64 }
modelPolicy: { allow: ["house/*"], max_context_tokens: 16000 }
schedule: { every: 15m, on: [task], hours: "07:00-23:00", jitter: 30s }
run: { mode: cycle, command: ["/bin/sh", "-c", "echo \"a\"; exit 3"], env: { A: "1" }, timeout: 5m, verdict: api, stop: { signal: SIGINT, grace: 3s } }
restart: { policy: always, backoff: 2s..30s, max: 7, within: 10m }
workspace: { scratch: 64MiB, mounts: [ { source: products/site, target: /workspace, mode: rw } ] }
budget: { per_run_usd: 0.25, per_day_usd: 1.00, max_turns: 12, tokens_per_run: 100000 }
identity: { soul: soul.md, role: maker }
review: { required: true, by: [verifier] }
)";
  auto loaded = contract::loadContract(text, "maker.yaml");
  ASSERT_TRUE(loaded.has_value()) << loaded.error().front().message();
  test::ScratchDirectory directory;
  Instance instance;
  instance.view.id = *InstanceId::parse("maker.abc234");
  instance.view.agent = loaded->name;
  instance.view.contractDigest = loaded->digest;
  instance.contract = std::make_shared<contract::Contract>(*loaded);
  std::filesystem::create_directories(directory.path() + "/maker.abc234");
  sandbox::ProcessIdentity identity{42, 4711, "boot", 99, 3};
  std::ofstream(directory.path() + "/maker.abc234/launch.jsonl")
      << launchLine(instance) << '\n'
      << sandbox::formatLaunchFacts({identity, {{"a"}, {}, {"b"}}}) << '\n';
  auto record = readLaunchRecord(directory.fd(), instance.id());
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(record->identity, identity);
  EXPECT_EQ(record->enforcement.missing, std::vector<std::string>{"b"});
  ASSERT_NE(record->contract, nullptr);
  contract::Contract back = *record->contract;
  back.demands = loaded->demands;                                                // after admission nobody asks
  EXPECT_EQ(contract::toJson(back).dump(1), contract::toJson(*loaded).dump(1));  // every value, defaults filled in
  EXPECT_EQ(back.digest, loaded->digest);
}

TEST(LaunchRecord, HalfARecordIsNone) {
  test::ScratchDirectory directory;
  const auto id = *InstanceId::parse("maker.abc234");
  EXPECT_EQ(readLaunchRecord(directory.fd(), id).error().code, ErrorCode::kNotFound);
  std::filesystem::create_directories(directory.path() + "/maker.abc234");
  std::ofstream(directory.path() + "/maker.abc234/launch.jsonl") << "{}\n{\"pid\"";
  EXPECT_FALSE(readLaunchRecord(directory.fd(), id));
}

}  // namespace
}  // namespace agentos::agentd
