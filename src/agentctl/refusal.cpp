// SPDX-License-Identifier: Apache-2.0
#include "agentctl/refusal.h"

#include <vector>

#include "base/text.h"

namespace agentos::agentctl {
namespace {

constexpr std::string_view kHeadEnds = " cannot be met: ", kBetween = "; ";

std::vector<std::string> parts(std::string_view text) {
  std::vector<std::string> all;
  for (auto at = text.find(kBetween); at != std::string_view::npos; at = text.find(kBetween)) {
    all.emplace_back(text.substr(0, at));
    text.remove_prefix(at + kBetween.size());
  }
  all.emplace_back(text);
  return all;
}

// "compute.mem: a memory controller" says its key again, which the demand has said.
std::string withoutKey(const std::string& remedy, const std::string& demand) {
  const std::string key = demand.substr(0, demand.find(' ')) + ": ";
  return remedy.starts_with(key) ? remedy.substr(key.size()) : remedy;
}

}  // namespace

std::string describeError(const Error& error) {
  const auto head = error.what.find(kHeadEnds);
  if (error.code != ErrorCode::kContractUnmet || head == std::string::npos) return error.message();
  const auto demands = parts(std::string_view(error.what).substr(head + kHeadEnds.size()));
  const auto remedies = parts(error.remedy);
  if (demands.size() != remedies.size()) return error.message();
  std::string text = error.what.substr(0, head + kHeadEnds.size() - 1);
  for (std::size_t index = 0; index < demands.size(); ++index) {
    text += "\n  " + demands[index];
    if (!remedies[index].empty()) text += "\n      needs: " + withoutKey(remedies[index], demands[index]);
  }
  return text;
}

}  // namespace agentos::agentctl
