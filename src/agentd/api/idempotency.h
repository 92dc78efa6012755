// SPDX-License-Identifier: Apache-2.0
// Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a change that is sent twice under one key is made once,
// and the second time answered as the first. Keys are each caller's own, kept for 24 hours in agentd.db. Only answers
// of success are kept: what failed changed nothing, and may be tried again under the same key.
#pragma once

#include "agentd/http/router.h"
#include "base/clock.h"
#include "base/sqlite.h"

namespace agentos::agentd {

class Idempotency {
 public:
  static Result<std::unique_ptr<Idempotency>> make(Database& db, const Clock& clock);

  // The handler, made so.
  http::Handler wrap(http::Handler handler);

 private:
  struct Call;
  Idempotency(Database& db, const Clock& clock) : db_(db), clock_(clock) {}
  // The stored or refusing answer, or nothing: the call is noted as begun and is the caller's to make.
  Result<std::optional<http::Response>> begin(const Call& call);
  Result<void> keep(const Call& call, const http::Response& response);
  void forget(const Call& call);
  boost::asio::awaitable<http::Response> run(http::Handler handler, http::RequestPtr request, http::Stream& stream);

  Database& db_;
  const Clock& clock_;
  std::string process_;  // tells what this process has in work from what an earlier one left
};

}  // namespace agentos::agentd
