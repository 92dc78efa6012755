// SPDX-License-Identifier: Apache-2.0
// agentd.db, one connection, used on the loop's thread only: WAL, synchronous=FULL, so that a commit that returned is
// on disk. Each layer owns its tables and makes them in its constructor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace agentos {

using SqlValue = std::variant<std::nullptr_t, std::int64_t, std::string>;

class Database;

// A prepared statement; bind, then step until false. Not shared, reset by the next bind.
class SqlStatement {
 public:
  SqlStatement(SqlStatement&& other) noexcept;
  SqlStatement& operator=(SqlStatement&&) = delete;
  ~SqlStatement();

  // Binds ?1, ?2, … and starts again. A string_view is copied.
  template <class... Values>
  SqlStatement& with(const Values&... values) {
    reset();
    int index = 0;
    (bind(++index, values), ...);
    return *this;
  }
  Result<bool> step();  // true: a row is there
  Result<void> run();   // steps to the end
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  bool isNull(int column) const;

 private:
  friend class Database;
  SqlStatement(const Database& db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  void reset();
  void bind(int index, std::int64_t value);
  void bind(int index, int value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, const char* value) { bind(index, std::string_view(value)); }
  void bind(int index, std::nullptr_t);
  const Database& db_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // What a process before left in the write-ahead log goes into the database itself and is synced there: it may have
  // ended over a disk that failed, and then the log's pages are in the kernel's memory only and would never be written
  // again. ":memory:" for tests.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<void> execute(const std::string& sql);  // one or more statements, no parameters
  Result<SqlStatement> prepare(std::string_view sql);
  std::int64_t changes() const;  // rows changed by the last statement
  std::int64_t lastRowId() const;
  // Called when a sync of the log or the database failed: commits that had returned may be gone, and a later sync that
  // succeeds says nothing of them (fsync(2) tells of a page once). A write that failed is no such thing: it is rolled
  // back, and its caller is told.
  using Lost = std::function<void(const Error&)>;
  void whenLost(Lost lost) { lost_ = std::move(lost); }

 private:
  friend class SqlStatement;
  explicit Database(sqlite3* db) : db_(db) {}
  Result<void> settleLog();
  void checkpointAfter(int pages);
  std::unexpected<Error> failed(int status, std::string_view doing) const;
  sqlite3* db_;
  Lost lost_;
};

// What is committed while it lives is not waited for: it outlives this process at once, and the machine with the next
// commit made after it (the write-ahead log is synced as a whole). Not inside a transaction.
class RelaxedCommits {
 public:
  explicit RelaxedCommits(Database& db);
  ~RelaxedCommits();
  RelaxedCommits(const RelaxedCommits&) = delete;
  RelaxedCommits& operator=(const RelaxedCommits&) = delete;

 private:
  Database& db_;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it goes without commit(). Not nested.
class Transaction {
 public:
  static Result<Transaction> begin(Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace agentos
