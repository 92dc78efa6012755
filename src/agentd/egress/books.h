// SPDX-License-Identifier: Apache-2.0
// What left each room, by destination, in agentd.db: a cap holds over a restart of agentd, and a run that has ended can
// still be asked about. Written a few seconds late and at the end: a crash of agentd loses those seconds.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/sqlite.h"

namespace agentos::agentd::egress {

struct Tally {
  std::uint64_t up = 0, down = 0;  // bytes to the destination and from it
  std::uint64_t connections = 0, refused = 0;
  std::uint64_t bytes() const { return up + down; }
  bool operator==(const Tally&) const = default;
};

// One run's, by destination ("api.github.com:443") and rule.
struct Account {
  std::map<std::pair<std::string, std::string>, Tally> tallies;
  bool fresh = true;  // nothing was known of the run before

  // The tally of a destination; beyond kMostDestinations one for all others, so that an agent cannot grow it.
  Tally& of(const std::string& destination, const std::string& rule);
  std::uint64_t bytesOf(const std::string& rule) const;
  std::uint64_t bytes() const;
  bool empty() const { return tallies.empty(); }
};
Json toJson(const Account& account);

inline constexpr std::size_t kMostDestinations = 128, kMostRefused = 32;

class Books {
 public:
  static Result<std::unique_ptr<Books>> open(Database& db);
  Result<Account> load(const InstanceId& id);
  Result<void> save(const InstanceId& id, const Account& account);

 private:
  Books(Database& db, SqlStatement select, SqlStatement upsert)
      : db_(db), select_(std::move(select)), upsert_(std::move(upsert)) {}
  Database& db_;
  SqlStatement select_, upsert_;
};

}  // namespace agentos::agentd::egress
