// SPDX-License-Identifier: Apache-2.0
// What the task files said when they were last read, kept in agentd.db so that a new agentd need not read them again: a
// row is believed only while the file's device, inode, size and ctime are the same. A cache: thrown away, nothing is
// lost.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/sqlite.h"
#include "company/queue/ready_index.h"
#include "company/task.h"

namespace agentos::company {

// A task without its body, hand-off and runs, in one string.
std::string packTask(const Task& task);
std::optional<ReadyFacts> unpackFacts(std::string_view packed, TaskStatus status);
std::optional<Task> unpackTask(std::string_view packed, const TaskId& id, TaskStatus status);

struct CachedFile {
  TaskId id;
  TaskStatus status;
  FileStamp stamp;
  std::string packed;
};

class IndexCache {
 public:
  static Result<std::unique_ptr<IndexCache>> open(Database& db);

  // Every row, to `visit`; rows that cannot be read are left out.
  template <class Visit>
  Result<void> load(Visit visit) {
    all_.with();
    for (;;) {
      AGENTOS_TRY(const bool more, all_.step());
      if (!more) return {};
      if (auto row = rowAt(all_)) visit(*std::move(row));
    }
  }
  // One transaction for all of them. A row without a packed text is removed.
  Result<void> store(const std::vector<CachedFile>& files);

 private:
  IndexCache(Database& db, SqlStatement all, SqlStatement put, SqlStatement drop)
      : db_(db), all_(std::move(all)), put_(std::move(put)), drop_(std::move(drop)) {}
  static std::optional<CachedFile> rowAt(const SqlStatement& row);
  Database& db_;
  SqlStatement all_, put_, drop_;
};

}  // namespace agentos::company
