// SPDX-License-Identifier: Apache-2.0
#include "agentd/supervisor/halt_table.h"

#include "base/json.h"

namespace agentos::agentd {
namespace {

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS halt(
  one INTEGER PRIMARY KEY CHECK(one = 1), since INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
  kill INTEGER NOT NULL, holding TEXT NOT NULL);
)sql";

}  // namespace

Result<HaltTable> HaltTable::open(Database& db) {
  AGENTOS_CHECK(db.execute(kSchema));
  return HaltTable(db);
}

Result<std::optional<Halt>> HaltTable::load() {
  AGENTOS_TRY(auto read, db_->prepare("SELECT since, actor, reason, kill, holding FROM halt"));
  AGENTOS_TRY(const bool there, read.step());
  if (!there) return std::nullopt;
  Halt halt{Timestamp(Nanoseconds(read.integer(0))), read.text(1), read.text(2), read.integer(3) != 0, {}};
  AGENTOS_TRY(const Json holding, parseJson(read.text(4)));
  for (const Json& one : holding) {
    auto id = InstanceId::parse(one.is_string() ? one.get<std::string>() : "");
    if (id) halt.holding.insert(*std::move(id));
  }
  return halt;
}

Result<void> HaltTable::save(const Halt& halt) {
  Json holding = Json::array();
  for (const auto& id : halt.holding) holding.push_back(id.str());
  AGENTOS_TRY(auto write, db_->prepare("INSERT OR REPLACE INTO halt VALUES(1,?1,?2,?3,?4,?5)"));
  return write
      .with(halt.since.time_since_epoch().count(), halt.actor, halt.reason, halt.kill ? 1 : 0, dumpJson(holding))
      .run();
}

Result<void> HaltTable::clear() { return db_->execute("DELETE FROM halt"); }

}  // namespace agentos::agentd
