// SPDX-License-Identifier: Apache-2.0
// Disks that are full at every point, read-only or not ours: named, answered, and nothing lost or half-made.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "hostile.h"

namespace agentos::test {
namespace {

namespace fs = std::filesystem;

// A small file system of its own over a directory, gone with the test.
class SmallDisk {
 public:
  SmallDisk(std::string path, const std::string& size) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, ("mode=0755,size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  // Leaves so many pages.
  void fill(std::uint64_t pages) {
    free();
    struct statvfs now{};
    ::statvfs(path_.c_str(), &now);
    if (now.f_bfree <= pages) return;
    const Fd file(::open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::fallocate(file.get(), 0, 0, static_cast<off_t>((now.f_bfree - pages) * now.f_bsize)), 0);
  }
  void free() { ::unlink(filler().c_str()); }

 private:
  std::string filler() const { return path_ + "/filler"; }
  std::string path_;
  bool mounted_ = false;
};

class Disk : public Hostile {
 protected:
  std::string state() const { return agentd.prefix() + "/var/lib/agentd"; }
  std::string job() {
    const std::string file = agentd.prefix() + "/job.yaml";
    writeText(file,
              "apiVersion: agentos/v0.2\nkind: AgentContract\nname: job\nbinding: flexible\nrun: { mode: job, command: "
              "[\"/bin/true\"] }\nrestart: { policy: no }\n");
    return file;
  }
  bool areDoneInTheEnd(const std::vector<std::string>& tasks) {
    return eventually(
        [&] {
          agentd.ctl({"cycle", "run", "maker"});
          return std::ranges::all_of(tasks, [&](const auto& task) { return agentd.statusOf(task) == "done"; });
        },
        40s);
  }
};

// With 0, 1, 2, … pages left, whatever comes first meets the end of the disk somewhere else.
TEST_F(Disk, AFullStateAtEveryPointIsNamedAndLosesNothing) {
  SmallDisk disk(state(), "12m");
  ASSERT_TRUE(disk.mounted());
  agentd.contract("maker",
                  "schedule: { every: 24h }\nrun: { mode: cycle, command: [\"/bin/bash\", \"-c\", \"echo made\"] }\n");
  agentd.start();
  std::vector<std::string> tasks;
  for (int i = 0; i < 6; ++i) tasks.push_back(agentd.addTask("make " + std::to_string(i), "maker"));
  int refused = 0;
  for (const std::uint64_t pages : {0U, 1U, 2U, 3U, 4U, 6U, 9U, 14U}) {
    disk.fill(pages);
    for (const auto& words : {std::vector<std::string>{"cycle", "run", "maker"},
                              {"spawn", "--contract", job()},
                              {"task", "add", "one more", "--to", "maker"}}) {
      const Answer full = agentd.ctl(words);
      if (full.status == 0) {
        if (words[0] == "task") tasks.push_back(full.out.substr(0, full.out.find('\n')));
        continue;
      }
      ++refused;
      const bool named =
          full.err.find("No space left") != std::string::npos || full.err.find("disk is full") != std::string::npos ||
          full.err.find("free some space") != std::string::npos || full.err.find("runs already") != std::string::npos ||
          full.err.find("database or disk is full") != std::string::npos;
      EXPECT_TRUE(named) << words[0] << " with " << pages << " pages: " << full.err;
    }
    EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents").status, 200) << "status answers";
  }
  EXPECT_GT(refused, 3);
  disk.free();
  EXPECT_TRUE(areDoneInTheEnd(tasks));
  for (const auto& task : tasks) {
    EXPECT_EQ(agentd.statusOf(task), "done") << task;
    EXPECT_LE(eventsOf("task.completed", task), 1U) << task;
  }
  EXPECT_EQ(agentd.ctl({"spawn", "--contract", job(), "--wait"}).status, 0);
  EXPECT_FALSE(events("audit.reopened").empty()) << "what was refused meanwhile is counted";
  EXPECT_EQ(eventsOf("task.completed", tasks.back()), 1U) << "and from then on each step is recorded again";
  EXPECT_TRUE(eventually([&] { return agentd.ask({"ps"})["items"].empty(); }));
  endWithNothingLeft();
}

TEST_F(Disk, AFullCompanyIsNamedAndItsFilesStayWhole) {
  const std::string saved = agentd.prefix() + "/saved";
  fs::rename(agentd.company(), saved);
  SmallDisk disk(agentd.company(), "2m");
  ASSERT_TRUE(disk.mounted());
  ASSERT_EQ(runProgram({"/bin/cp", "-a", saved + "/.", agentd.company()}).status, 0);
  agentd.contract("maker", "schedule: { every: 24h }\nrun: { mode: cycle, command: [\"/bin/true\"] }\n");
  agentd.start();
  std::vector<std::string> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(agentd.addTask("make " + std::to_string(i), "maker"));
  for (const std::uint64_t pages : {0U, 0U, 1U, 1U, 2U}) {
    disk.fill(pages);
    agentd.ctl({"cycle", "run", "maker"});  // its run may go well while the record of it cannot be written yet
    const Answer added = agentd.ctl({"task", "add", "one more", "--to", "maker"});
    if (added.status == 0) {
      tasks.push_back(added.out.substr(0, added.out.find('\n')));
    } else {
      EXPECT_NE(added.err.find("No space left"), std::string::npos) << added.err;
    }
    EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents").status, 200);
    std::this_thread::sleep_for(100ms);
  }
  for (const auto& task : tasks) EXPECT_NE(agentd.statusOf(task), "nowhere") << task;
  disk.free();
  EXPECT_TRUE(areDoneInTheEnd(tasks));
  for (const auto& task : tasks) EXPECT_EQ(agentd.statusOf(task), "done") << task;
  for (const auto& entry : fs::recursive_directory_iterator(agentd.company() + "/agents/tasks")) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file()) {
      EXPECT_EQ(name.front(), 't') << "left half-made: " << entry.path();
      EXPECT_GT(entry.file_size(), 0U) << entry.path();
    }
  }
  endWithNothingLeft();
}

TEST_F(Disk, AReadOnlyCompanyIsNamedAndWorkGoesOnWhenItIsWritable) {
  ASSERT_EQ(::mount(agentd.company().c_str(), agentd.company().c_str(), nullptr, MS_BIND, nullptr), 0);
  agentd.contract("maker", "schedule: { every: 24h }\nrun: { mode: cycle, command: [\"/bin/true\"] }\n");
  agentd.start();
  const std::string task = agentd.addTask("make", "maker");
  ASSERT_EQ(::mount(nullptr, agentd.company().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  const Answer added = agentd.ctl({"task", "add", "more", "--to", "maker"});
  EXPECT_NE(added.status, 0);
  EXPECT_NE(added.err.find("Read-only file system"), std::string::npos) << added.err;
  const Answer run = agentd.ctl({"cycle", "run", "maker"});
  EXPECT_NE(run.status, 0);
  EXPECT_NE(run.err.find("Read-only file system"), std::string::npos) << run.err;
  EXPECT_EQ(agentd.statusOf(task), "queued");
  EXPECT_EQ(ask(socketPath(), "GET", "/v1/agents").status, 200);
  // It does not start there, and says why.
  EXPECT_EQ(agentd.stop(), 0);
  const Answer start =
      runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--user", "nobody"});
  EXPECT_NE(start.status, 0);
  EXPECT_NE(start.err.find(agentd.company()), std::string::npos) << start.err;
  EXPECT_NE(start.err.find("Read-only file system"), std::string::npos) << start.err;
  ASSERT_EQ(::mount(nullptr, agentd.company().c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr), 0);
  agentd.start();
  EXPECT_TRUE(eventually([&] {
    agentd.ctl({"cycle", "run", "maker"});
    return agentd.statusOf(task) == "done";
  }));
  endWithNothingLeft();
  ::umount2(agentd.company().c_str(), MNT_DETACH);
}

TEST_F(Disk, AStateThatCannotBeWrittenEndsItAtOnceWithTheReason) {
  fs::create_directories(state());
  ASSERT_EQ(::mount("none", state().c_str(), "tmpfs", MS_RDONLY, "size=1m"), 0);
  const Answer readOnly =
      runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--user", "nobody"});
  ::umount2(state().c_str(), MNT_DETACH);
  EXPECT_EQ(readOnly.status, 1) << readOnly.err;
  EXPECT_NE(readOnly.err.find(state()), std::string::npos) << readOnly.err;
  EXPECT_NE(readOnly.err.find("Read-only file system"), std::string::npos) << readOnly.err;
  {
    SmallDisk disk(state(), "64k");
    disk.fill(0);
    const Answer full =
        runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--user", "nobody"});
    EXPECT_EQ(full.status, 1) << full.err;
    EXPECT_NE(full.err.find("No space left"), std::string::npos) << full.err;
  }
  fs::remove_all(state());
  writeText(state(), "a file");
  const Answer file =
      runProgram({"agentd", "--prefix", agentd.prefix(), "--company", agentd.company(), "--user", "nobody"});
  EXPECT_NE(file.status, 0);
  EXPECT_NE(file.err.find(state()), std::string::npos) << file.err;
  fs::remove(state());
  agentd.start();  // and once it can be, it starts
  endWithNothingLeft();
}

}  // namespace
}  // namespace agentos::test
