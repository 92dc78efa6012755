// SPDX-License-Identifier: Apache-2.0
// One metered model call: resolve → reserve → complete → settle. Whatever happens between (an upstream error, a client
// that dies in mid-stream, a cancelled or destroyed coroutine), the reservation is settled exactly once, at what was
// used until then; what the endpoint did not say is estimated (estimate.h).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/driver.h"
#include "models/ledger.h"
#include "models/registry.h"
#include "models/turnstile.h"

namespace agentos::models {

// What the contract says about models.
struct ModelPolicy {
  std::vector<std::string> allow;  // modelPolicy.allow
  std::optional<std::int64_t> maxContextTokens;
};

struct MeteredRequest {
  Account account;
  Caps caps;
  ModelPolicy policy;
  Json body;  // as the agent sent it: a Chat Completions request; `model` and `stream` are read from it
  Nanoseconds timeout = std::chrono::minutes(10);  // its turn waited for, too
  bool urgent = false;                             // of an agent of class HRT or SRT: turnstile.h
  Offload offload = {};                            // for a large body
};

struct MeteredAnswer {
  std::string model;  // the model that served, as contracts name it
  ChatAnswer answer;
  Ledger::Settlement settlement;
};

class Meter {
 public:
  static constexpr std::size_t kCallsAtOnce = 64;  // until it is told otherwise
  // Told of every settlement right after its commit, also from destructors: must not throw. For audit and outbox.
  using Settled = std::function<void(const Ledger::Settlement&)>;
  // All three outlive the meter, and the meter every call.
  Meter(const ModelRegistry& models, Ledger& ledger, Settled settled);
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // Runs one call on the caller's executor. With body.stream every chunk goes to `sink` as it arrives (else the sink is
  // not called); an error from the sink ends the call. Errors: kModelRequest (malformed), kTooLarge (more input than
  // maxContextTokens), kModelUnknown, kBudgetExhausted, kModelUpstream (upstreamStatus() tells the endpoint's status),
  // kUnreachable, kTimedOut, kUnavailable (cancelled), or the sink's.
  boost::asio::awaitable<Result<MeteredAnswer>> complete(MeteredRequest request, ChunkSink sink);
  Turnstile& turnstile() { return turnstile_; }

 private:
  struct Admitted {
    ModelChoice choice;
    Usage worst;
    std::int64_t reservation;
  };
  Result<Admitted> admit(const MeteredRequest& request, const Json& body, const Result<void>& checked,
                         std::size_t bytes, std::int64_t inputTokens);

  const ModelRegistry& models_;
  Ledger& ledger_;
  Settled settled_;
  Turnstile turnstile_{kCallsAtOnce};
};

}  // namespace agentos::models
