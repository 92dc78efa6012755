// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <sqlite3.h>

namespace agentos {
namespace {

std::unexpected<Error> failSql(sqlite3* db, int status, std::string_view doing) {
  std::string what =
      "database: " + std::string(doing) + ": " + (db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(status));
  switch (status & 0xff) {
    case SQLITE_FULL:
      return fail(ErrorCode::kDiskFull, what, "free some space");
    case SQLITE_READONLY:
      return fail(ErrorCode::kReadOnly, what, "make the state directory writable for agentd's user");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(ErrorCode::kUnavailable, what, "another process holds the database");
    case SQLITE_CONSTRAINT:
      return fail(ErrorCode::kConflict, what);
    default:
      return fail(ErrorCode::kIo, what);
  }
}

constexpr int kCheckpointPages = 1000;  // SQLite's own default

// Of syncs only: a page that could not be written is not in the kernel's memory either.
bool isLost(int extended) { return extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC; }

}  // namespace

std::unexpected<Error> Database::failed(int status, std::string_view doing) const {
  auto error = failSql(db_, status, doing);
  if (lost_ && isLost(sqlite3_extended_errcode(db_))) lost_(error.error());
  return error;
}

SqlStatement::SqlStatement(SqlStatement&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)) {}

SqlStatement::~SqlStatement() { sqlite3_finalize(statement_); }

void SqlStatement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void SqlStatement::bind(int index, std::int64_t value) { sqlite3_bind_int64(statement_, index, value); }
void SqlStatement::bind(int index, std::nullptr_t) { sqlite3_bind_null(statement_, index); }
void SqlStatement::bind(int index, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

Result<bool> SqlStatement::step() {
  int status = sqlite3_step(statement_);
  if (status == SQLITE_ROW) return true;
  sqlite3_reset(statement_);  // lets go of the read snapshot
  if (status == SQLITE_DONE) return false;
  return db_.failed(status, sqlite3_sql(statement_));
}

Result<void> SqlStatement::run() {
  for (;;) {
    AGENTOS_TRY(bool row, step());
    if (!row) return {};
  }
}

std::int64_t SqlStatement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string SqlStatement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_, column);
  if (bytes == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool SqlStatement::isNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  int status =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> db(new Database(handle));
  if (status != SQLITE_OK) return failSql(handle, status, "opening " + path);
  sqlite3_busy_timeout(handle, 2000);
  AGENTOS_CHECK(
      db->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
                  "PRAGMA temp_store=MEMORY;"));
  AGENTOS_CHECK(db->settleLog());
  sqlite3_wal_hook(
      handle,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Database*>(self)->checkpointAfter(pages);
        return SQLITE_OK;
      },
      db.get());
  return db;
}

// Ignoring that somebody reads it, or that there is no room to unfold the log: it stays, and so do its rows.
Result<void> Database::settleLog() {
  const int status = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (status == SQLITE_OK || status == SQLITE_BUSY || status == SQLITE_LOCKED || status == SQLITE_FULL) return {};
  return failed(status, "moving the write-ahead log into the database");
}

// SQLite's own would keep a failed sync to itself. Ignoring any other failure: the log stays until the next commit.
void Database::checkpointAfter(int pages) {
  if (pages < kCheckpointPages) return;
  const int status = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (status != SQLITE_OK) (void)failed(status, "moving the write-ahead log into the database");
}

Database::~Database() { sqlite3_close_v2(db_); }

Result<void> Database::execute(const std::string& sql) {
  int status = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return failed(status, sql.substr(0, 60));
  return {};
}

Result<SqlStatement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int status =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (status != SQLITE_OK) return failed(status, sql);
  return SqlStatement(*this, statement);
}

std::int64_t Database::changes() const { return sqlite3_changes64(db_); }
std::int64_t Database::lastRowId() const { return sqlite3_last_insert_rowid(db_); }

// Ignoring failures: setting a constant outside a transaction only fails when memory ends.
RelaxedCommits::RelaxedCommits(Database& db) : db_(db) { (void)db_.execute("PRAGMA synchronous=NORMAL"); }
RelaxedCommits::~RelaxedCommits() { (void)db_.execute("PRAGMA synchronous=FULL"); }

Result<Transaction> Transaction::begin(Database& db) {
  AGENTOS_CHECK(db.execute("BEGIN IMMEDIATE"));
  return Transaction(db);
}

Transaction::~Transaction() {
  if (db_ != nullptr) (void)db_->execute("ROLLBACK");  // a failed rollback: SQLite has rolled back already
}

Result<void> Transaction::commit() {
  auto done = db_->execute("COMMIT");
  if (done) db_ = nullptr;  // a failed commit is rolled back by the destructor
  return done;
}

}  // namespace agentos
