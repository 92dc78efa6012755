// SPDX-License-Identifier: Apache-2.0
#include "models/caps.h"

#include <spdlog/fmt/fmt.h>

namespace agentos::models {
namespace {

std::string amount(const BoundCap& cap, std::int64_t count) {
  return cap.tokens ? fmt::format("{} tokens", count) : formatUsd(MicroUsd{count}) + " USD";
}

std::string ownerOf(const BoundCap& cap, const Account& account) {
  if (cap.scope == CapScope::kCompany) return "the company";
  return cap.scope == CapScope::kRun ? "run " + account.instance : "agent " + account.agent;
}

std::string remedyFor(const BoundCap& cap, const std::string& resets) {
  const std::string where =
      cap.scope == CapScope::kCompany ? "the cap in company.yaml" : fmt::format("budget.{} in the contract", cap.name);
  if (resets.empty()) return fmt::format("ask for fewer max_tokens, or raise {}", where);
  return fmt::format("it resets at {}; until then ask for fewer max_tokens, or raise {}", resets, where);
}

}  // namespace

std::vector<BoundCap> boundCaps(const Caps& caps) {
  std::vector<BoundCap> bound;
  const auto add = [&](const char* name, CapScope scope, Period period, const std::optional<MicroUsd>& cap) {
    if (cap) bound.push_back({name, scope, period, false, cap->count});
  };
  if (caps.tokensPerRun) bound.push_back({"tokens_per_run", CapScope::kRun, Period::kRun, true, *caps.tokensPerRun});
  add("per_run_usd", CapScope::kRun, Period::kRun, caps.perRun);
  add("per_day_usd", CapScope::kAgent, Period::kDay, caps.perDay);
  add("per_week_usd", CapScope::kAgent, Period::kWeek, caps.perWeek);
  add("per_month_usd", CapScope::kAgent, Period::kMonth, caps.perMonth);
  add("company_per_day_usd", CapScope::kCompany, Period::kDay, caps.companyPerDay);
  add("company_per_month_usd", CapScope::kCompany, Period::kMonth, caps.companyPerMonth);
  return bound;
}

Error exhausted(const BoundCap& cap, const CapLeft& left, const Account& account, std::int64_t worstCase,
                const std::string& resets) {
  Error error;
  error.code = ErrorCode::kBudgetExhausted;
  error.what = fmt::format("{} of {} is {}: {} used, {} reserved, {} left, and this call may take {}", cap.name,
                           ownerOf(cap, account), amount(cap, cap.cap), amount(cap, left.used.count),
                           amount(cap, left.reserved.count), amount(cap, left.left().count), amount(cap, worstCase));
  error.remedy = remedyFor(cap, resets);
  return error;
}

}  // namespace agentos::models
