// SPDX-License-Identifier: Apache-2.0
#include "company/queue/index_cache.h"

#include <charconv>

namespace agentos::company {
namespace {

// The version stands in the table's name: a newer form makes its own table, an older one's is dropped.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS task_index_1(task TEXT PRIMARY KEY, status INTEGER NOT NULL, device INTEGER NOT NULL,
  inode INTEGER NOT NULL, size INTEGER NOT NULL, changed INTEGER NOT NULL, packed TEXT NOT NULL) WITHOUT ROWID;
)";

// "5:hello" after "5:hello": lengths in decimal, so that the row stays text for whoever looks at it with sqlite3.
class Packer {
 public:
  void add(std::string_view text) { out += std::to_string(text.size()) + ":" + std::string(text); }
  void add(std::int64_t value) { add(std::to_string(value)); }
  void add(const std::optional<Timestamp>& time) {
    add(time ? std::to_string(time->time_since_epoch().count()) : std::string());
  }
  void add(const std::vector<std::string>& items) {
    add(static_cast<std::int64_t>(items.size()));
    for (const std::string& item : items) add(item);
  }
  std::string out;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view in) : in_(in) {}
  bool isWhole() const { return good_; }
  bool isAtEnd() const { return in_.empty(); }
  std::string_view view() {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(in_.data(), in_.data() + in_.size(), size);
    const auto used = static_cast<std::size_t>(end - in_.data());
    if (error != std::errc() || used >= in_.size() || in_[used] != ':' || in_.size() - used - 1 < size)
      return spoiled();
    const auto text = in_.substr(used + 1, size);
    in_.remove_prefix(used + 1 + size);
    return text;
  }
  std::string text() { return std::string(view()); }
  std::int64_t integer() {
    const auto text = view();
    std::int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) spoiled();
    return value;
  }
  std::optional<Timestamp> time() {
    const auto text = view();
    std::int64_t value = 0;
    if (text.empty()) return std::nullopt;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) spoiled();
    return Timestamp(Nanoseconds(value));
  }
  std::vector<std::string> list() {
    std::vector<std::string> items;
    for (std::int64_t left = integer(); good_ && left > 0; --left) items.push_back(text());
    return items;
  }

 private:
  std::string_view spoiled() {
    good_ = false;
    return {};
  }
  std::string_view in_;
  bool good_ = true;
};

}  // namespace

// What orders the queue comes first, so that a start reads that much of each row and no more.
std::string packTask(const Task& task) {
  Packer pack;
  pack.add(static_cast<std::int64_t>(task.priority));
  pack.add(std::optional(task.created));
  pack.add(task.notBefore);
  pack.add(std::string_view(task.assignedTo));
  pack.add(interruptedAgent(task));
  pack.add(static_cast<std::int64_t>(task.dependsOn.size()));
  for (const TaskId& id : task.dependsOn) pack.add(std::string_view(id.str()));
  for (const std::string* text : {&task.title, &task.createdBy, &task.product, &task.outcome, &task.idempotencyKey,
                                  &task.claimedBy, &task.promotedBy}) {
    pack.add(std::string_view(*text));
  }
  pack.add(task.tags);
  for (const auto* time : {&task.deadline, &task.promotedAt}) pack.add(*time);
  for (const std::int64_t number : {task.attempts, task.attempt, task.epoch, std::int64_t{task.promotable}}) {
    pack.add(number);
  }
  pack.add(task.verify);
  pack.add(task.artifacts);
  return std::move(pack.out);
}

namespace {

std::optional<ReadyFacts> takeFacts(Unpacker& in, TaskStatus status) {
  ReadyFacts facts;
  facts.status = status;
  facts.priority = static_cast<Priority>(in.integer() & 3);
  facts.created = in.time().value_or(Timestamp{});
  facts.notBefore = in.time();
  facts.assignedTo = in.view();
  facts.interrupted = in.view();
  for (std::int64_t left = in.integer(); in.isWhole() && left > 0; --left) {
    auto needed = TaskId::parse(in.view());
    if (!needed) return std::nullopt;
    facts.dependsOn.push_back(*std::move(needed));
  }
  return in.isWhole() ? std::optional(std::move(facts)) : std::nullopt;
}

}  // namespace

std::optional<ReadyFacts> unpackFacts(std::string_view packed, TaskStatus status) {
  Unpacker in(packed);
  return takeFacts(in, status);
}

std::optional<Task> unpackTask(std::string_view packed, const TaskId& id, TaskStatus status) {
  Unpacker in(packed);
  auto facts = takeFacts(in, status);
  if (!facts) return std::nullopt;
  Task task;
  task.id = id;
  task.status = status;
  task.priority = facts->priority;
  task.created = facts->created;
  task.notBefore = facts->notBefore;
  task.assignedTo = std::move(facts->assignedTo);
  task.dependsOn = std::move(facts->dependsOn);
  for (std::string* text : {&task.title, &task.createdBy, &task.product, &task.outcome, &task.idempotencyKey,
                            &task.claimedBy, &task.promotedBy}) {
    *text = in.view();
  }
  task.tags = in.list();
  for (auto* time : {&task.deadline, &task.promotedAt}) *time = in.time();
  for (std::int64_t* number : {&task.attempts, &task.attempt, &task.epoch}) *number = in.integer();
  task.promotable = in.integer() != 0;
  task.verify = in.list();
  task.artifacts = in.list();
  if (!in.isWhole() || !in.isAtEnd()) return std::nullopt;
  return task;
}

Result<std::unique_ptr<IndexCache>> IndexCache::open(Database& db) {
  AGENTOS_CHECK(db.execute(kSchema));
  AGENTOS_TRY(auto all, db.prepare("SELECT task, status, device, inode, size, changed, packed FROM task_index_1"));
  AGENTOS_TRY(auto put,
              db.prepare("INSERT OR REPLACE INTO task_index_1(task, status, device, inode, size, changed, packed) "
                         "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  AGENTOS_TRY(auto drop, db.prepare("DELETE FROM task_index_1 WHERE task = ?1"));
  return std::unique_ptr<IndexCache>(new IndexCache(db, std::move(all), std::move(put), std::move(drop)));
}

std::optional<CachedFile> IndexCache::rowAt(const SqlStatement& row) {
  auto id = TaskId::parse(row.text(0));
  const std::int64_t status = row.integer(1);
  if (!id || status < 0 || status >= static_cast<std::int64_t>(std::size(kAllTaskStatuses))) return std::nullopt;
  auto number = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
  return CachedFile{*std::move(id), static_cast<TaskStatus>(status),
                    FileStamp{number(2), number(3), number(4), row.integer(5)}, row.text(6)};
}

Result<void> IndexCache::store(const std::vector<CachedFile>& files) {
  if (files.empty()) return {};
  AGENTOS_TRY(auto transaction, Transaction::begin(db_));
  for (const CachedFile& file : files) {
    if (file.packed.empty()) {
      AGENTOS_CHECK(drop_.with(file.id.str()).run());
      continue;
    }
    AGENTOS_CHECK(put_.with(file.id.str(), static_cast<int>(file.status), file.stamp.device, file.stamp.inode,
                            file.stamp.size, file.stamp.changedNs, file.packed)
                      .run());
  }
  return transaction.commit();
}

}  // namespace agentos::company
