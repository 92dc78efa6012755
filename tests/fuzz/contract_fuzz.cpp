// SPDX-License-Identifier: Apache-2.0
// Everything that reads a contract's text: it must not crash, hang or leak, and what it answers must hold together.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "contract/admission.h"
#include "contract/cron_syntax.h"
#include "contract/loader.h"

namespace {

using namespace agentos;
using namespace agentos::contract;

// A promise that does not hold ends the process, so that libFuzzer keeps the input.
void require(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "a promise does not hold: line %u\n", where.line());
  std::abort();
}

void checkProblems(const std::vector<YamlProblem>& problems, std::string_view text) {
  require(!problems.empty() && problems.size() <= 101);
  for (const YamlProblem& problem : problems) {
    require(problem.mark.line >= 1 && problem.mark.column >= 1);
    require(static_cast<std::size_t>(problem.mark.line) <= split(text, '\n').size());
    require(!problem.what.empty() && !problem.remedy.empty());
    require(isValidUtf8(problem.message()));
  }
}

// DEL and C1, which JSON leaves as they are and our YAML wants escaped.
bool hasRawControls(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool c1 = text[at] == '\xC2' && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    if (c1 || text[at] == '\x7F') return true;
  }
  return false;
}

void checkContract(const Contract& contract) {
  require(contract.digest.size() == 64);
  require(contract.isDemanded("name") && !contract.name.empty());
  const Json full = toJson(contract);
  if (const std::string text = dumpJson(full); !hasRawControls(text)) {
    const auto again = loadContract(text, "again");
    require(again.has_value());
    require(toJson(*again) == full);
  }
  const Admission admission = admit(contract, Machine{});
  require(admission.admitted() || !refusalOf(contract, admission).message().empty());
  require(admission == admit(contract, Machine{}));
}

void checkQuoting(std::string_view text) {
  if (text.size() > 4096 || text.contains('\0')) return;
  const auto back = parseYaml("k: " + quoteYaml(text), "q");
  require(back.has_value());
  if (isValidUtf8(text)) require(back->find("k")->scalar == text);
}

void checkJson(std::string_view text) {
  const auto value = parseJson(text);
  if (!value) return;
  require(parseJson(dumpJson(*value)).has_value());
  const auto canonical = canonicalJson(*value);
  if (canonical) require(canonicalJson(*parseJson(*canonical)) == *canonical);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  const auto contract = loadContract(bytes, "fuzz.yaml");
  if (contract) {
    checkContract(*contract);
  } else {
    checkProblems(contract.error(), bytes);
  }
  checkQuoting(bytes);
  checkJson(bytes);
  if (size < 256) (void)cronProblem(bytes);
  return 0;
}
