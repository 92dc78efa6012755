// SPDX-License-Identifier: Apache-2.0
// Why an agent does not run, as a typed reason, and what would change it. Every part that may hold an agent back is
// asked in the order in which it would: the first that does is the answer.
#pragma once

#include <optional>
#include <string>

#include "agentd/scheduler/contract_store.h"
#include "agentd/scheduler/scheduler.h"
#include "agentd/supervisor/supervisor_impl.h"
#include "base/json.h"
#include "company/layout.h"
#include "models/ledger.h"

namespace agentos::agentd {

struct Explanation {
  std::string code;                // "running", "backing_off", … : the table in docs/operations.md
  std::string reason, remedy;      // one sentence; what would change it, empty: nothing needs to
  std::optional<Timestamp> until;  // when it changes by itself
  Json details = Json::object();
};

class Explainer {
 public:
  struct Parts {  // all outlive it; scheduler and company are null without a company
    const Clock& clock;
    SupervisorImpl& supervisor;
    const ContractStore& contracts;
    models::Ledger& ledger;
    Scheduler* scheduler = nullptr;
    company::Company* company = nullptr;
  };
  explicit Explainer(Parts parts) : parts_(parts) {}
  // A full id, a unique prefix of one, or an agent's name; kNotFound.
  Result<Json> explain(const std::string& text) const;

 private:
  struct Subject {
    AgentName agent;
    std::optional<InstanceView> instance;  // the one that was named, or the agent's live or last
    const StoredContract* stored = nullptr;
  };
  Result<Subject> subjectOf(const std::string& text) const;
  Explanation answer(const Subject& subject) const;
  std::optional<Explanation> byLife(const Subject& subject) const;
  std::optional<Explanation> byHalt() const;
  std::optional<Explanation> byRestart(const Subject& subject) const;
  std::optional<Explanation> byDeath(const Subject& subject) const;
  std::optional<Explanation> byContract(const Subject& subject) const;
  std::optional<Explanation> byBudget(const Subject& subject) const;
  std::optional<Explanation> bySchedule(const Subject& subject) const;
  Explanation byEnd(const Subject& subject) const;

  Parts parts_;
};

}  // namespace agentos::agentd
