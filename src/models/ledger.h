// SPDX-License-Identifier: Apache-2.0
// Money: what each call may cost is reserved before it starts and settled at what it used after it ended, whatever the
// outcome. Reservations and settlements are rows in agentd.db; caps count both. Exact integers throughout.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sqlite.h"
#include "base/units.h"
#include "models/driver.h"

namespace agentos::models {

// Micro-dollars for a million tokens.
struct Price {
  MicroUsd inputPerMillion, outputPerMillion, cachedInputPerMillion;
  bool operator==(const Price&) const = default;
};
// Rounded up to the next micro-dollar, per call. Never overflows: a sum past 10^15 is 10^15.
MicroUsd costOf(const Price& price, const Usage& usage);

// The caps that bind one call; absent: none. Days, weeks and months are those of the company's zone.
struct Caps {
  std::optional<MicroUsd> perRun = {}, perDay = {}, perWeek = {}, perMonth = {}, companyPerDay = {},
                          companyPerMonth = {};
  std::optional<std::int64_t> tokensPerRun = {};
};

struct Account {  // who pays
  std::string agent, instance, task;
};

struct CapLeft {
  std::string name;  // "per_run_usd", …; "tokens_per_run" counts tokens in the same fields
  MicroUsd cap, used, reserved;
  MicroUsd left() const { return {std::max<std::int64_t>(0, cap.count - used.count - reserved.count)}; }
};

class Ledger {
 public:
  static Result<std::unique_ptr<Ledger>> open(Database& db, const Clock& clock, std::string zone);
  virtual ~Ledger() = default;

  // Reserves `worstCase`, or kBudgetExhausted naming the cap, what is left of it and when it resets. Durable on return.
  virtual Result<std::int64_t> reserve(const Account& account, const Caps& caps, const std::string& model,
                                       MicroUsd worstCase, std::int64_t worstCaseTokens) = 0;
  struct Settlement {
    std::int64_t id = 0;
    Timestamp time;
    Account account;
    std::string model, outcome;  // outcome: "ok", "failed", "cut", "lost"
    Usage usage;
    MicroUsd cost;
  };
  // Once per reservation; a second settle of the same is kConflict. Durable on return.
  virtual Result<Settlement> settle(std::int64_t reservation, const Usage& usage, MicroUsd cost,
                                    const std::string& outcome) = 0;
  // Reservations left open by a crash, or of a run that ended: what they used is not known, and the endpoint will
  // charge for it, so they are settled at what was reserved, outcome "lost" (the tokens, not known apart, as input). No
  // cap has more room after a crash than before it.
  virtual Result<std::vector<Settlement>> settleOrphans(const std::optional<std::string>& instance) = 0;

  virtual Result<std::vector<CapLeft>> left(const Account& account, const Caps& caps) = 0;
  struct Total {
    std::string key;  // the agent, the model, the task or the day
    MicroUsd cost;
    std::int64_t calls = 0, inputTokens = 0, outputTokens = 0;
  };
  enum class By : std::uint8_t { kAgent, kModel, kTask, kDay };
  virtual Result<std::vector<Total>> totals(By by, std::optional<Timestamp> since) = 0;
  virtual Result<std::vector<Settlement>> settlements(std::int64_t afterId, std::size_t limit) = 0;
  virtual Result<MicroUsd> costOfRun(const std::string& instance) = 0;

  // The outbox (costs.h): every settlement up to this id is in the cost files.
  virtual Result<std::int64_t> exportedUpTo() = 0;
  virtual Result<void> markExported(std::int64_t settlementId) = 0;
};

}  // namespace agentos::models
