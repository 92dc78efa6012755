// SPDX-License-Identifier: Apache-2.0
#include "contract/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "contract/admission_rules.h"
#include "contract/loader.h"
#include "contract/schema.h"
#include "corpus.h"

namespace agentos::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Contract load(std::string_view body, std::string_view binding = "strict") {
  const std::string text =
      "apiVersion: agentos/v0.2\nkind: AgentContract\nname: maker\nbinding: " + std::string(binding) + "\n" +
      std::string(body);
  auto contract = loadContract(text, "maker.yaml");
  EXPECT_TRUE(contract) << (contract ? "" : contract.error().front().message());
  return contract.value_or(Contract{});
}

// A server with everything that a version may have.
Machine fullMachine() {
  Machine machine;
  for (int feature = 0; feature <= static_cast<int>(Feature::kReservedDecisions); ++feature)
    machine.features.insert(static_cast<Feature>(feature));
  machine.controllers = {"cpu", "memory", "pids", "io"};
  machine.swapAccounting = true;
  machine.cpu = MilliCpu{4000};
  machine.cpuToPromise = MilliCpu{4000};
  machine.memory = machine.memoryToPromise = Bytes{64ULL << 30};
  machine.realTime = {4, 600'000, {}, ""};
  machine.landlockAbi = 4;
  machine.models = {{"local/llama-3.1-8B", "on-prem", 128'000}, {"cloud/claude-sonnet", "cloud", 200'000}};
  machine.tools = {"fs.read", "fs.write", "web.fetch", "rag.retrieve", "summarize"};
  machine.secrets = {"crm-token"};
  machine.mountSources = {"/srv"};
  return machine;
}

Machine permissive(Machine machine) {
  machine.allowSubstitution = true;
  machine.allowUnlimited = true;
  return machine;
}

// "path verdict" of each row.
std::vector<std::string> verdicts(const Admission& admission) {
  std::vector<std::string> rows;
  for (const AdmissionRow& row : admission.rows) rows.push_back(row.path + " " + std::string(wordOf(row.verdict)));
  return rows;
}

TEST(AdmissionRules, KnowEveryFieldOfTheSchema) {
  for (const Field& field : fields()) {
    if (field.set == nullptr || field.path.contains("[]")) continue;
    const AdmissionRule* rule = findRule(field.path);
    ASSERT_NE(rule, nullptr) << field.path;
    if (rule->kind == RuleKind::kFeature) EXPECT_TRUE(rule->feature.has_value() && !rule->remedy.empty()) << field.path;
  }
}

TEST(Admission, AsksNothingForAContractThatDemandsNothing) {
  const Admission admission = admit(load("run: { command: [/bin/true] }\n"), Machine{});
  EXPECT_THAT(verdicts(admission), ElementsAre("run.command met"));
  EXPECT_TRUE(admission.admitted());
}

TEST(Admission, MeetsEverythingOnAFullMachine) {
  for (const CorpusFile& file : goodCorpus()) {
    Contract contract = loadContract(file.text, file.name).value();
    Machine machine = fullMachine();
    machine.cpu = machine.cpuToPromise = MilliCpu{1024 * 1000};
    machine.memory = machine.memoryToPromise = Bytes{1ULL << 50};
    const Admission admission = admit(contract, machine);
    EXPECT_TRUE(admission.admitted()) << file.name << ": " << refusalOf(contract, admission).message();
    for (const AdmissionRow& row : admission.rows)
      EXPECT_EQ(row.verdict, AdmissionVerdict::kMet) << file.name << " " << row.path;
  }
}

TEST(Admission, FailsClosedOnAMachineThatClaimsNothing) {
  const auto contract = loadContractFile(AGENTOS_SOURCE_DIR "/contracts/corpus/good/v0.2-published.yaml").value();
  const Admission admission = admit(contract, Machine{});
  EXPECT_FALSE(admission.admitted());
  EXPECT_THAT(
      verdicts(admission),
      ElementsAre("class.latency unmet", "class.slo.onset_ms unmet", "class.slo.turn_ms unmet",
                  "class.slo.jitter_p95_pct unmet", "capabilities unmet", "capabilities unmet", "capabilities unmet",
                  "compute.cpu unmet", "compute.mem unmet", "compute.gpu_mem unmet", "modelPolicy.allow unmet",
                  "modelPolicy.max_context_tokens unmet", "modelPolicy.placement unmet", "memory.namespace unmet",
                  "memory.retention_days unmet", "memory.rag.top_k unmet", "memory.rag.require_grounding unmet",
                  "security.consent_for met", "security.consent_for met", "security.data_scopes unmet",
                  "observability.tracing unmet", "observability.log_fields unmet"));
  for (const AdmissionRow& row : admission.rows) {
    if (row.verdict != AdmissionVerdict::kUnmet) continue;
    EXPECT_FALSE(row.why.empty()) << row.path;
    EXPECT_FALSE(row.remedy.empty()) << row.path;
    EXPECT_FALSE(row.demand.empty()) << row.path;
  }
}

// Each feature, taken away alone, leaves what needs it unmet under strict, whatever root allows.
TEST(Admission, MissesEachFeatureThatIsTakenAway) {
  const Contract contract = load(
      "class: { latency: HRT, slo: { turn_ms: 10 } }\ncapabilities: [fs.write]\nrun: { command: [/bin/true], secrets: "
      "[crm-token] }\n"
      "compute: { gpu_mem: 1GiB, disk: 2GiB }\nmodelPolicy: { max_context_tokens: 8000 }\nmemory: { namespace: x, "
      "retention_days: 1 }\n"
      "security: { consent_for: [fs.write], data_scopes: [x], nested_userns: true }\nobservability: { tracing: "
      "opentelemetry, log_fields: [x] }\n"
      "schedule: { on: [message] }\nhealth: { heartbeat: 1s, exec: [/bin/true] }\nworkspace: { encrypted: true, "
      "mounts: [{ source: a, target: /a, "
      "mode: overlay }] }\nnetwork: { egress: [\"a.org:443\"] }\nsupervise: { parent: lead }\nreview: { required: true "
      "}\nspawn: { allow: [x], "
      "max_children: 1 }\nreserved: [finance]\n");
  const std::set<Feature> apart = {Feature::kOpenNetwork, Feature::kCanary};  // their own tests, below
  for (const Feature feature : fullMachine().features) {
    if (apart.contains(feature)) continue;
    Machine machine = permissive(fullMachine());
    ASSERT_TRUE(admit(contract, machine).admitted()) << refusalOf(contract, admit(contract, machine)).message();
    machine.features.erase(feature);
    EXPECT_FALSE(admit(contract, machine).admitted()) << "feature " << static_cast<int>(feature);
  }
}

TEST(Admission, SubstitutesWhereTheContractIsFlexibleAndRootAllowsIt) {
  constexpr std::string_view kBody =
      "compute: { gpu_mem: 1GiB, mem: 1GiB }\nworkspace: { mounts: [{ source: a, target: /a, mode: overlay }] }\n";
  Machine machine = fullMachine();
  machine.features.clear();
  machine.controllers.clear();
  EXPECT_FALSE(admit(load(kBody, "flexible"), machine).admitted()) << "root does not allow it";
  EXPECT_FALSE(admit(load(kBody, "strict"), permissive(machine)).admitted()) << "the contract does not";
  EXPECT_FALSE(admit(load(kBody, "smooth"), permissive(machine)).admitted())
      << "smooth takes newer things, not lesser ones";
  const Admission admission = admit(load(kBody, "flexible"), permissive(machine));
  EXPECT_THAT(verdicts(admission),
              ElementsAre("compute.mem substituted", "compute.gpu_mem substituted", "workspace.mounts[0] substituted"));
  EXPECT_EQ(admission.rows.at(0).by, "no limit");
  EXPECT_EQ(admission.rows.at(2).by, "a read-only mount");
  EXPECT_TRUE(admission.admitted());
}

TEST(Admission, HoldsComputeAgainstWhatIsLeft) {
  Machine machine = fullMachine();
  machine.cpuPromised = MilliCpu{3500};
  machine.memoryPromised = Bytes{60ULL << 30};
  EXPECT_TRUE(admit(load("compute: { cpu: 500m, mem: 4GiB }\n"), machine).admitted());
  const Admission cpu = admit(load("compute: { cpu: 501m }\n"), machine);
  EXPECT_THAT(verdicts(cpu), ElementsAre("compute.cpu unmet"));
  EXPECT_THAT(cpu.rows.at(0).why, HasSubstr("3.5 of 4 cores"));
  EXPECT_THAT(verdicts(admit(load("compute: { mem: 4097MiB }\n", "flexible"), permissive(machine))),
              ElementsAre("compute.mem unmet"))
      << "a limit that is there is not left out because too much was promised";
  machine.memoryPromised = Bytes{100ULL << 30};  // root took some of it back meanwhile
  EXPECT_FALSE(admit(load("compute: { mem: 1MiB }\n"), machine).admitted());
  machine.memoryToPromise = Bytes{128ULL << 30};
  EXPECT_TRUE(admit(load("compute: { mem: 1MiB }\n"), machine).admitted());
}

constexpr std::string_view kHard =
    "class: { latency: HRT, slo: { runtime_us: 2000, deadline_us: 5000, period_us: 10000 } }\n"
    "run: { command: [/bin/true] }\n";

TEST(Admission, QuotesTheBoundOfRealTime) {
  Machine machine = fullMachine();
  machine.realTime = {2, 950'000, {}, ""};
  const Admission first = admit(load(kHard), machine);
  ASSERT_TRUE(first.admitted());
  EXPECT_EQ(first.rows.at(0).by,
            "SCHED_DEADLINE, 2ms within 5ms of each 10ms; EDF density 0.400 of at most 1.500 on 2 processors, 0 "
            "admitted before");
  const Reservation same = reservationOf(load(kHard));
  machine.realTime.admitted = {same, same};
  EXPECT_TRUE(admit(load(kHard), machine).admitted()) << "1.2 of 1.5";
  machine.realTime.admitted.push_back(same);
  const Admission fourth = admit(load(kHard), machine);
  EXPECT_FALSE(fourth.admitted()) << "1.6 of 1.5, though the kernel would take 0.8 of 1.9";
  EXPECT_THAT(fourth.rows.at(0).why, HasSubstr("density 1.600 of at most 1.500"));
  EXPECT_FALSE(fourth.rows.at(0).remedy.empty());
}

TEST(Admission, NeverGivesLessThanHardRealTime) {
  Machine machine = permissive(fullMachine());
  machine.realTime = {0, 950'000, {}, "sched_setattr: Operation not permitted"};
  for (const char* binding : {"strict", "smooth", "flexible"}) {
    const Admission admission = admit(load(kHard, binding), machine);
    EXPECT_FALSE(admission.admitted()) << binding;
    EXPECT_THAT(admission.rows.at(0).why, HasSubstr("Operation not permitted"));
  }
  // --class HRT on a contract that has no program: the loader's rule did not see it.
  Contract model = load("class: { latency: SRT }\n", "flexible");
  model.latency = LatencyClass::kHrt;
  machine.realTime = {4, 950'000, {}, ""};
  EXPECT_FALSE(admit(model, machine).admitted());
}

TEST(Admission, NeverSubstitutesAGuard) {
  Machine machine = permissive(fullMachine());
  machine.features.clear();
  for (const char* body :
       {"capabilities: [fs.write]\nsecurity: { consent_for: [fs.write] }\n", "security: { data_scopes: [x] }\n",
        "workspace: { encrypted: true }\n", "review: { required: true }\n", "reserved: [finance]\n",
        "memory: { rag: { require_grounding: true } }\n", "run: { secrets: [crm-token] }\n",
        "workspace: { mounts: [{ source: /etc, target: /x }] }\n"}) {
    EXPECT_FALSE(admit(load(body, "flexible"), machine).admitted()) << body;
  }
}

TEST(Admission, LeavesOutALimitOnlyWhereRootSaysSo) {
  Machine machine = fullMachine();
  machine.controllers = {"memory"};
  machine.standIns = {{"pids", "RLIMIT_NPROC"}};
  machine.allowSubstitution = true;
  const Admission cpu = admit(load("compute: { cpu: 1 }\n", "flexible"), machine);
  EXPECT_THAT(verdicts(cpu), ElementsAre("compute.cpu unmet"));
  const Admission pids = admit(load("compute: { pids: 10 }\n", "flexible"), machine);
  EXPECT_THAT(verdicts(pids), ElementsAre("compute.pids substituted"));
  EXPECT_EQ(pids.rows.at(0).by, "RLIMIT_NPROC");
  EXPECT_THAT(verdicts(admit(load("compute: { pids: 10 }\n"), machine)), ElementsAre("compute.pids unmet"));
}

TEST(Admission, HoldsComputeAgainstWhatThereIs) {
  Machine machine = fullMachine();
  EXPECT_FALSE(admit(load("compute: { cpu: 4001m }\n"), machine).admitted());
  EXPECT_TRUE(admit(load("compute: { cpu: 4 }\n"), machine).admitted());
  EXPECT_FALSE(admit(load("compute: { mem: 65GiB }\n"), machine).admitted());
  EXPECT_THAT(admit(load("compute: { mem: 65GiB }\n"), machine).rows.at(0).why, HasSubstr("this machine has 64GiB"));
  machine.swapAccounting = false;
  EXPECT_FALSE(admit(load("compute: { swap: 0 }\n"), machine).admitted()) << "no swap is a demand too";
}

TEST(Admission, BoundsTheDiskOnlyWhereAllOfItIsBounded) {
  Machine machine = fullMachine();
  EXPECT_TRUE(admit(load("compute: { disk: 1GiB }\nworkspace: { scratch: 1GiB }\n"), machine).admitted());
  machine.features.erase(Feature::kMountQuota);
  const std::string mounted = "workspace: { mounts: [{ source: a, target: /a, mode: ";
  EXPECT_TRUE(admit(load("compute: { disk: 1GiB }\n" + mounted + "ro }] }\n"), machine).admitted());
  const Admission shared = admit(load("compute: { disk: 1GiB }\n" + mounted + "rw }] }\n"), machine);
  EXPECT_FALSE(shared.admitted());
  EXPECT_THAT(shared.rows.at(0).why, HasSubstr("workspace mount is not bounded"));
  machine.features.erase(Feature::kDiskQuota);
  machine.whyNot[Feature::kDiskQuota] = "there are no loop devices here";
  EXPECT_EQ(admit(load("workspace: { scratch: 1GiB }\n"), machine).rows.at(0).why, "there are no loop devices here");
}

TEST(Admission, SaysWhyAFeatureIsNotThere) {
  Machine machine = fullMachine();
  machine.features.erase(Feature::kGpu);
  machine.whyNot[Feature::kGpu] = "there is no driver";
  EXPECT_EQ(admit(load("compute: { gpu_mem: 1GiB }\n"), machine).rows.at(0).why, "there is no driver");
}

TEST(Admission, HoldsTheLimitsOfDiskAndMemoryByTheirControllers) {
  Machine machine = fullMachine();
  const std::string body = "compute: { mem_high: 1GiB, cpu_weight: 10, io_max: { read: 1MiB, write_ops: 100 } }\n";
  EXPECT_TRUE(admit(load(body), machine).admitted());
  machine.controllers = {"pids"};
  EXPECT_THAT(verdicts(admit(load(body), machine)),
              ElementsAre("compute.mem_high unmet", "compute.cpu_weight unmet", "compute.io_max.read unmet",
                          "compute.io_max.write_ops unmet"));
}

TEST(Admission, FindsToolsByNameAndPattern) {
  EXPECT_THAT(verdicts(admit(load("capabilities: [fs.*, web.fetch, web.fetsh]\n"), fullMachine())),
              ElementsAre("capabilities met", "capabilities met", "capabilities unmet"));
  EXPECT_THAT(admit(load("capabilities: [web.fetsh]\n"), fullMachine()).rows.at(0).remedy,
              HasSubstr("did you mean web.fetch?"));
}

TEST(Admission, TakesTheFirstModelThatCanServe) {
  EXPECT_EQ(admit(load("modelPolicy: { allow: [nowhere/x, \"cloud/*\", \"local/*\"] }\n"), fullMachine()).rows.at(0).by,
            "cloud/claude-sonnet");
  const Admission placed =
      admit(load("modelPolicy: { allow: [\"cloud/*\", \"local/*\"], placement: [on-prem] }\n"), fullMachine());
  EXPECT_EQ(placed.rows.at(0).by, "local/llama-3.1-8B");
  EXPECT_FALSE(admit(load("modelPolicy: { allow: [\"cloud/*\"], placement: [on-prem] }\n"), fullMachine()).admitted());
  Machine unknown = fullMachine();
  for (ServedModel& model : unknown.models) model.placement.clear();
  EXPECT_FALSE(admit(load("modelPolicy: { allow: [\"*\"], placement: [on-prem] }\n"), unknown).admitted())
      << "not known is not met";
}

TEST(Admission, TakesANewerModelAsACanaryUnderSmooth) {
  Machine machine = fullMachine();
  machine.models = {{"cloud/claude-sonnet-4.5", "cloud", 0}};
  constexpr std::string_view kBody = "modelPolicy: { allow: [cloud/claude-sonnet] }\n";
  EXPECT_FALSE(admit(load(kBody, "strict"), machine).admitted());
  EXPECT_EQ(admit(load(kBody, "smooth"), machine).rows.at(0).by, "cloud/claude-sonnet-4.5, as a canary");
  machine.features.erase(Feature::kCanary);
  EXPECT_FALSE(admit(load(kBody, "smooth"), machine).admitted()) << "nobody would watch it";
  machine.features.insert(Feature::kCanary);
  machine.models = {{"cloud/claude-sonnetto", "cloud", 0}};
  EXPECT_FALSE(admit(load(kBody, "smooth"), machine).admitted()) << "another name, no version";
}

TEST(Admission, OpensTheNetworkOnlyWithTheFeature) {
  Machine machine = fullMachine();
  const Contract contract = load("network: { unrestricted: true, reason: research }\n");
  EXPECT_TRUE(admit(contract, machine).admitted());
  machine.features.erase(Feature::kOpenNetwork);
  EXPECT_FALSE(admit(contract, machine).admitted());
  EXPECT_TRUE(admit(load("network: { egress: [], unrestricted: false }\n"), Machine{}).admitted())
      << "no way out is always there";
}

TEST(Admission, KeepsHostPathsBehindRootsPolicy) {
  const auto mount = [](std::string_view source) {
    return load("workspace: { mounts: [{ source: " + std::string(source) + ", target: /x }] }\n");
  };
  EXPECT_TRUE(admit(mount("/srv"), fullMachine()).admitted());
  EXPECT_TRUE(admit(mount("/srv/data"), fullMachine()).admitted());
  EXPECT_FALSE(admit(mount("/srv2"), fullMachine()).admitted());
  EXPECT_FALSE(admit(mount("/etc"), fullMachine()).admitted());
  EXPECT_TRUE(admit(mount("docs"), Machine{}).admitted()) << "the company's own";
}

TEST(Admission, NotesWishesWithoutRefusing) {
  Machine machine = fullMachine();
  machine.controllers = {};
  machine.standIns = {{"pids", "RLIMIT_NPROC"}};
  machine.landlockAbi = 0;
  const Admission admission = admit(load(""), machine);
  EXPECT_THAT(admission.rows, IsEmpty());
  EXPECT_TRUE(admission.admitted());
  std::vector<std::string> notes;
  for (const AdmissionRow& row : admission.notes) notes.push_back(row.path + " " + row.remedy);
  EXPECT_THAT(notes, ElementsAre("compute.pids RLIMIT_NPROC is set", "compute.io_weight none is set",
                                 "room a kernel with CONFIG_SECURITY_LANDLOCK",
                                 "modelPolicy.allow modelPolicy.allow, or run.command"));
}

TEST(Admission, RefusesWithEveryReasonAndRemedy) {
  const Contract contract = load("compute: { gpu_mem: 8GiB }\nreserved: [finance]\n");
  const Error error = refusalOf(contract, admit(contract, Machine{}));
  EXPECT_EQ(error.code, ErrorCode::kContractUnmet);
  EXPECT_THAT(error.message(), HasSubstr("the contract of maker cannot be met: compute.gpu_mem (8GiB): "));
  EXPECT_THAT(error.message(), HasSubstr("reserved: remove reserved"));
}

TEST(Admission, IsWrittenAsJson) {
  const Json json = toJson(admit(load("reserved: [finance]\n"), fullMachine()));
  EXPECT_EQ(json["admitted"], true);
  EXPECT_EQ(json["rows"][0], (Json{{"path", "reserved"},
                                   {"demand", "[\"finance\"]"},
                                   {"verdict", "met"},
                                   {"by", "decisions by people"},
                                   {"why", ""},
                                   {"remedy", ""}}));
  EXPECT_TRUE(json["notes"].is_array());
}

}  // namespace
}  // namespace agentos::contract
