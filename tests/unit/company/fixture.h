// SPDX-License-Identifier: Apache-2.0
// A company of its own for each test, with a database, a clock that the test moves, and the events that were told.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "base/sqlite.h"
#include "company/layout.h"
#include "company/task_queue.h"

namespace agentos::company {

#define ASSERT_OK(expr)                                  \
  do {                                                   \
    const auto& okResult = (expr);                       \
    ASSERT_TRUE(okResult) << okResult.error().message(); \
  } while (false)
#define EXPECT_CODE(expr, wanted)                                                 \
  do {                                                                            \
    const auto& codeResult = (expr);                                              \
    EXPECT_FALSE(codeResult);                                                     \
    if (!codeResult) {                                                            \
      EXPECT_EQ(codeResult.error().code, wanted) << codeResult.error().message(); \
    }                                                                             \
  } while (false)

inline Timestamp at(const char* text) { return parseTimestamp(text).value(); }
inline AgentName agent(const std::string& name) { return AgentName::parse(name).value(); }
inline InstanceId instance(const std::string& id) { return InstanceId::parse(id).value(); }
inline TaskId taskId(const std::string& id) { return TaskId::parse(id).value(); }

// In memory where there is such a place: hundreds of small companies need no disk to be right.
class TempDirectory {
 public:
  explicit TempDirectory(bool onDisk = false) {
    const bool inMemory = !onDisk && ::access("/dev/shm", W_OK) == 0;
    std::string form =
        (inMemory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/agentos-company-XXXXXX";
    path_ = ::mkdtemp(form.data());
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}
inline void spill(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class QueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(Company::init(companyPath(), "acme", "UTC"));
    openAll();
  }
  void openAll() {
    queue.reset(), db.reset(), company.reset();
    auto opened = Company::open(companyPath());
    ASSERT_OK(opened);
    company = *std::move(opened);
    auto database = Database::open(temp.path() + "/agentd.db");
    ASSERT_OK(database);
    db = *std::move(database);
    auto made = TaskQueue::open(*company, *db, clock, [this](const TaskEvent& event) { events.push_back(event); });
    ASSERT_OK(made);
    queue = *std::move(made);
  }
  std::string companyPath() const { return temp.path() + "/acme"; }
  std::string pathOf(TaskStatus status, const std::string& name) const {
    return company->tasksPath(status) + "/" + name;
  }
  std::string pathOf(TaskStatus status, const TaskId& id) const { return pathOf(status, id.str() + ".md"); }
  void mv(const TaskId& id, TaskStatus from, TaskStatus to) {
    std::filesystem::rename(pathOf(from, id), pathOf(to, id));
  }
  // A file as a person would write it.
  TaskId write(const std::string& id, const std::string& fields = "", TaskStatus status = TaskStatus::kQueued) {
    spill(pathOf(status, id + ".md"),
          "---\ntitle: by hand\ncreated: 2026-11-01T00:00:00Z\n" + fields + "---\n\nDo it.\n");
    return taskId(id);
  }
  TaskId add(const std::string& title, NewTask task = {}) {
    task.title = title;
    if (task.createdBy.empty()) task.createdBy = "steward";
    auto id = queue->add(task);
    EXPECT_TRUE(id) << id.error().message();
    return id.value_or(TaskId{});
  }
  Claim claim(const TaskId& id, const std::string& holder = "maker.aaaaaa") {
    auto made = queue->claim(id, instance(holder));
    EXPECT_TRUE(made) << made.error().message();
    EXPECT_TRUE(made && *made) << "nobody's claim: " << id.str();
    return made && *made ? **made : Claim{};
  }
  std::optional<TaskId> nextFor(const std::string& name) {
    auto got = queue->next(agent(name));
    EXPECT_TRUE(got) << got.error().message();
    last = got.value_or(NextTask{});
    return last.task;
  }
  TaskStatus statusOf(const TaskId& id) {
    auto task = queue->find(id);
    EXPECT_TRUE(task) << task.error().message();
    return task ? task->status : TaskStatus::kBacklog;
  }
  std::vector<std::string> kinds() {
    std::vector<std::string> list;
    for (const TaskEvent& event : events) list.push_back(event.kind);
    events.clear();
    return list;
  }
  void refresh() { ASSERT_OK(queue->refresh(std::nullopt)); }
  // A directory's names, without the archive.
  std::vector<std::string> names(TaskStatus status) {
    std::vector<std::string> list;
    for (const auto& entry : std::filesystem::directory_iterator(company->tasksPath(status))) {
      if (!entry.is_directory()) list.push_back(entry.path().filename());
    }
    std::ranges::sort(list);
    return list;
  }

  TempDirectory temp;
  FakeClock clock{at("2026-11-20T10:00:00Z")};
  std::unique_ptr<Company> company;
  std::unique_ptr<Database> db;
  std::unique_ptr<TaskQueue> queue;
  std::vector<TaskEvent> events;
  NextTask last;
};

}  // namespace agentos::company
