// SPDX-License-Identifier: Apache-2.0
#include "contract/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <set>

#include "base/digest.h"
#include "contract/schema.h"
#include "corpus.h"

namespace agentos::contract {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kHead = "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\n";

std::string contractWith(std::string_view body) { return std::string(kHead) + std::string(body); }

Contract load(std::string_view body) {
  auto contract = loadContract(contractWith(body), "maker.yaml");
  EXPECT_TRUE(contract) << (contract ? "" : contract.error().front().message());
  return contract.value_or(Contract{});
}

std::vector<std::string> messagesOf(std::string_view text) {
  std::vector<std::string> messages;
  const auto contract = loadContract(text, "maker.yaml");
  if (contract) return messages;
  for (const YamlProblem& problem : contract.error()) messages.push_back(problem.message());
  return messages;
}

const CorpusFile& goodFile(std::string_view name) {
  static const auto kFiles = goodCorpus();
  return *std::ranges::find(kFiles, name, &CorpusFile::name);
}

TEST(ContractLoader, LoadsThePublishedExample) {
  const auto contract = loadContractFile(goodFile("v0.2-published").path);
  ASSERT_TRUE(contract) << contract.error().front().message();
  EXPECT_EQ(contract->apiVersion, "agentos/v0.2");
  EXPECT_EQ(contract->name.str(), "city-permit-assistant");
  EXPECT_EQ(contract->latency, LatencyClass::kSrt);
  EXPECT_EQ(contract->slo, (Slo{250, 1000, 20}));
  EXPECT_THAT(contract->capabilities, ElementsAre("web.fetch", "rag.retrieve", "summarize"));
  EXPECT_EQ(contract->compute.cpu, MilliCpu{2000});
  EXPECT_EQ(contract->compute.mem, Bytes{4ULL << 30});
  EXPECT_EQ(contract->compute.gpuMem, Bytes{8ULL << 30});
  EXPECT_EQ(contract->modelPolicy,
            (ModelPolicy{{"local/llama-3.1-8B", "cloud/claude-sonnet"}, 32000, {"on-prem", "edge"}}));
  EXPECT_EQ(contract->memory.nameSpace, "city-planning");
  EXPECT_EQ(contract->memory.retentionDays, 90);
  EXPECT_EQ(contract->memory.ragTopK, 8);
  EXPECT_TRUE(contract->memory.ragRequireGrounding);
  EXPECT_THAT(contract->security.consentFor, ElementsAre("fs.write", "email.send"));
  EXPECT_THAT(contract->security.dataScopes, ElementsAre("city-permits", "public-records"));
  EXPECT_EQ(contract->observability, (Observability{"opentelemetry", {"prompt", "sources", "tool_hashes"}}));
}

TEST(ContractLoader, ReadsEveryField) {
  const auto contract = loadContractFile(goodFile("every-field").path);
  ASSERT_TRUE(contract) << contract.error().front().message();
  for (const Field& field : fields()) {
    const bool ofAnItem = field.path.contains("[]"),
               impossible = field.path == "schedule.cron" || field.path == "network.reason";
    if (!ofAnItem && !impossible) EXPECT_TRUE(contract->isDemanded(std::string(field.path))) << field.path;
  }
  EXPECT_EQ(contract->version, 3);
  EXPECT_EQ(contract->run.env, (std::vector<std::pair<std::string, std::string>>{{"LANG", "C.UTF-8"}}));
  EXPECT_EQ(contract->run.timeout, 30min);
  EXPECT_EQ(contract->run.stop, (Stop{15, 10s}));
  EXPECT_EQ(contract->schedule.every, 15min);
  EXPECT_EQ(contract->schedule.on, (std::set{WakeOn::kTask, WakeOn::kMessage}));
  EXPECT_EQ(contract->schedule.hours, (Hours{7 * 60, 23 * 60}));
  EXPECT_EQ(contract->restart, (Restart{RestartPolicy::kOnFailure, 1s, 60s, 5, 5min}));
  EXPECT_EQ(contract->health, (Health{30s, 3, {}, ""}));
  EXPECT_EQ(contract->compute.swap, Bytes{0});
  EXPECT_EQ(contract->workspace.mounts,
            (std::vector<WorkspaceMount>{{"products/taskflow", "/workspace", MountMode::kOverlay},
                                         {"/srv/reference", "/srv/reference", MountMode::kReadOnly}}));
  EXPECT_EQ(contract->budget.perRun, MicroUsd{2'000'000});
  EXPECT_EQ(contract->budget.perMonth, MicroUsd{150'000'000});
  EXPECT_EQ(contract->supervise, (Supervise{"lead", SuperviseStrategy::kOneForOne}));
  EXPECT_EQ(contract->review, (Review{true, {"verifier"}, {"make -C /workspace test"}}));
  EXPECT_EQ(contract->spawn, (SpawnGrant{{"helper-*"}, 4}));
  EXPECT_THAT(contract->reserved, ElementsAre("finance", "external-accounts", "strategy"));
}

TEST(ContractLoader, GivesTheDefaultsOfTheDesign) {
  Contract contract = load("");
  EXPECT_THAT(contract.demands, testing::UnorderedElementsAre("apiVersion", "kind", "name"));
  contract.demands.clear();
  contract.digest.clear();
  Contract bare;
  bare.apiVersion = "agentos/v0.2";
  bare.name = AgentName::parse("maker").value();
  EXPECT_EQ(contract, bare);
  EXPECT_EQ(bare.latency, LatencyClass::kDt);
  EXPECT_EQ(bare.binding, Binding::kStrict);
  EXPECT_EQ(bare.memory.workingTokens, 2000);
  EXPECT_EQ(bare.memory.soulTokens, 500);
}

TEST(ContractLoader, LetsTheProgramsExitJudgeUnlessTheContractSaysOtherwise) {
  EXPECT_EQ(load("").run.verdict, Verdict::kApi);
  EXPECT_EQ(load("run: { command: [/bin/true] }\n").run.verdict, Verdict::kExit);
  EXPECT_EQ(load("run: { command: [] }\n").run.verdict, Verdict::kApi);
  EXPECT_EQ(load("run: { command: [/bin/true], verdict: api }\n").run.verdict, Verdict::kApi);
}

TEST(ContractLoader, LoadsTheGoodCorpus) {
  const auto files = goodCorpus();
  EXPECT_GE(files.size(), 25U);
  for (const CorpusFile& file : files) {
    const auto contract = loadContract(file.text, file.name);
    EXPECT_TRUE(contract) << contract.error().front().message();
  }
}

TEST(ContractLoader, LoadsEveryContractThatShips) {
  std::size_t loaded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(AGENTOS_SOURCE_DIR "/contracts/examples")) {
    if (entry.path().extension() != ".yaml" || entry.path().parent_path().filename() != "contracts") continue;
    const auto contract = loadContractFile(entry.path().string());
    EXPECT_TRUE(contract) << contract.error().front().message();
    ++loaded;
  }
  EXPECT_GE(loaded, 5U);
}

TEST(ContractLoader, RefusesEachBadFileForItsReasonAndNoOther) {
  const auto files = badCorpus();
  EXPECT_GE(files.size(), 80U);
  for (const CorpusFile& file : files) {
    ASSERT_FALSE(file.expected.empty()) << file.name << " says nothing of what is expected";
    const auto contract = loadContract(file.text, file.name);
    std::vector<std::string> found;
    std::string messages;
    if (!contract) {
      for (const YamlProblem& problem : contract.error())
        found.push_back(shortForm(problem)), messages += "\n" + problem.message();
    }
    EXPECT_EQ(found, file.expected) << file.name << messages;
  }
}

TEST(ContractLoader, SaysWhatIsWrongAndWhatWouldBeRight) {
  for (const CorpusFile& file : badCorpus()) {
    const auto contract = loadContract(file.text, file.name);
    if (contract) continue;  // another test's
    for (const YamlProblem& problem : contract.error()) {
      EXPECT_FALSE(problem.what.empty()) << file.name;
      EXPECT_FALSE(problem.remedy.empty()) << problem.message();
      EXPECT_LE(problem.message().size(), 2000U) << file.name;
      for (char c : problem.message()) ASSERT_GE(static_cast<unsigned char>(c), 0x20) << file.name;
    }
  }
}

TEST(ContractLoader, WritesPlaceFieldFaultAndRemedy) {
  EXPECT_THAT(messagesOf(contractWith("compute:\n  mem: lots\n")),
              ElementsAre("maker.yaml:5:8: compute.mem: \"lots\" is no such quantity; a size from 1MiB to 1024TiB, "
                          "such as 4GiB (2^30) or "
                          "4GB (10^9)"));
  EXPECT_THAT(messagesOf(contractWith("compute: { pids: 0 }\n")),
              ElementsAre("maker.yaml:4:18: compute.pids: 0 is too little; a whole number from 1 to 4194304"));
}

TEST(ContractLoader, TellsAllErrorsAtOnceInTheOrderOfTheFile) {
  const auto messages =
      messagesOf("apiVersion: agentos/v0.2\nname: Maker\ncompute: { mem: lots, cpuu: 2 }\nclass: { latency: HRT }\n");
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_THAT(messages[0], HasSubstr(":1:1: kind: this key is required"));
  EXPECT_THAT(messages[1], HasSubstr(":2:7: name: "));
  EXPECT_THAT(messages[2], HasSubstr(":3:17: compute.mem: "));
  EXPECT_THAT(messages[3], HasSubstr(":3:23: compute.cpuu: "));
  EXPECT_THAT(messages[4], HasSubstr(":4:10: class.latency: HRT without run.command"));
}

TEST(ContractLoader, DoesNotJudgeFurtherWhatIsAlreadyWrong) {
  EXPECT_EQ(messagesOf(contractWith("class: { latency: HRT }\nrun: { command: nothing }\n")).size(), 1U);
  EXPECT_EQ(messagesOf(contractWith("spawn: { allow: [helper], max_children: many }\n")).size(), 1U);
  EXPECT_EQ(messagesOf(contractWith("network: { unrestricted: true, reason: 7 }\n")).size(), 1U);
}

TEST(ContractLoader, GuessesWhatAKeyWasMeantToBe) {
  EXPECT_THAT(messagesOf(contractWith("comptue: {}\n")), ElementsAre(HasSubstr("did you mean compute?")));
  EXPECT_THAT(messagesOf(contractWith("mem: 4GiB\n")), ElementsAre(HasSubstr("did you mean compute.mem?")));
  EXPECT_THAT(messagesOf(contractWith("budget: { per_day_UDS: 1 }\n")),
              ElementsAre(HasSubstr("did you mean per_day_usd?")));
  EXPECT_THAT(messagesOf(contractWith("binding: flexibel\n")), ElementsAre(HasSubstr("did you mean flexible?")));
  EXPECT_THAT(messagesOf(contractWith("class: { colour: red }\n")), ElementsAre(HasSubstr("one of latency, slo")));
}

TEST(ContractLoader, EveryCodeOfContractsIsProduced) {
  std::set<std::string> seen;
  for (const CorpusFile& file : badCorpus()) {
    for (const std::string& expected : file.expected) seen.insert(expected.substr(0, expected.find(' ')));
  }
  for (const char* code : {"contract.unknown_key", "contract.type", "contract.range", "contract.missing",
                           "contract.clash", "unit.malformed", "yaml.forbidden", "syntax"}) {
    EXPECT_TRUE(seen.contains(code)) << code;
  }
}

TEST(ContractLoader, RefusesTooMuch) {
  const auto tooLong = loadContract(contractWith("# " + std::string(1 << 20, 'x') + "\n"), "big.yaml");
  ASSERT_FALSE(tooLong);
  EXPECT_EQ(tooLong.error().front().code, ErrorCode::kTooLarge);
  std::string list = "capabilities:\n";
  for (int i = 0; i < 257; ++i) list += "  - tool" + std::to_string(i) + "\n";
  EXPECT_THAT(messagesOf(contractWith(list)), ElementsAre(HasSubstr("257 items; at most 256")));
}

TEST(ContractLoader, StopsTellingAfterAHundred) {
  std::string keys;
  for (int i = 0; i < 45'000; ++i) keys += "unknown" + std::to_string(i) + ": 1\n";
  const auto messages = messagesOf(contractWith(keys));
  ASSERT_EQ(messages.size(), 101U);
  EXPECT_THAT(messages.back(), HasSubstr("and more; mend these first"));
}

TEST(ContractLoader, NamesAFileThatCannotBeRead) {
  const auto contract = loadContractFile("/nonexistent/maker.yaml");
  ASSERT_FALSE(contract);
  EXPECT_EQ(contract.error().front().code, ErrorCode::kNotFound);
  EXPECT_THAT(contract.error().front().message(), HasSubstr("/nonexistent/maker.yaml"));
}

TEST(ContractDigest, IsOfTheCanonicalJsonOfWhatIsSaid) {
  const Contract contract = load("version: 3\ncompute: { mem: 4GiB, cpu: \"2\" }\n");
  EXPECT_EQ(
      contract.digest,
      sha256(
          R"({"apiVersion":"agentos/v0.2","compute":{"cpu":"2","mem":"4GiB"},"kind":"AgentContract","name":"maker","version":3})"));
}

TEST(ContractDigest, KnowsContentFromLayout) {
  const auto digest = [](std::string_view text) { return loadContract(text, "x").value().digest; };
  const std::string one =
      digest("apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\ncompute: { mem: 4GiB, cpu: 1 }\n");
  EXPECT_EQ(one, digest("# a comment\nname: \"maker\"\r\nkind: AgentContract\ncompute:\n  cpu: 1\n  mem: "
                        "'4GiB'\napiVersion: agentos/v0.2\n"));
  EXPECT_NE(one,
            digest("apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\ncompute: { mem: 4096MiB, cpu: 1 }\n"))
      << "units as written";
  EXPECT_NE(
      one,
      digest("apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\ncompute: { mem: 4GiB, cpu: 1, pids: 512 }\n"))
      << "a default that is written is a demand";
}

TEST(ContractToJson, FillsInEveryDefaultAndLoadsBackToTheSame) {
  for (const CorpusFile& file : goodCorpus()) {
    const Contract contract = loadContract(file.text, file.name).value();
    auto again = loadContract(toJson(contract).dump(2), file.name + " as JSON");
    ASSERT_TRUE(again) << again.error().front().message();
    EXPECT_EQ(toJson(*again), toJson(contract)) << file.name;
    again->demands = contract.demands;
    again->digest = contract.digest;
    again->compute.pids = contract.compute.pids;  // a wish becomes a demand when it is written
    again->compute.ioWeight = contract.compute.ioWeight;
    std::ranges::sort(again->run.env);  // JSON keeps no order
    Contract sorted = contract;
    std::ranges::sort(sorted.run.env);
    EXPECT_EQ(*again, sorted) << file.name;
  }
  const Json minimal = toJson(load(""));
  EXPECT_EQ(minimal["run"]["timeout"], "30m");
  EXPECT_EQ(minimal["restart"]["backoff"], "1s..1m");
  EXPECT_EQ(minimal["compute"], (Json{{"io_weight", 100}, {"pids", 512}}));
}

}  // namespace
}  // namespace agentos::contract
