// SPDX-License-Identifier: Apache-2.0
// A room without the spawner: namespaces, a cgroup and agent-init's descriptors as init_protocol.h wants them, over the
// machine's own file system. Needs root.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "sandbox/exit_record.h"
#include "sandbox/init_protocol.h"
#include "sandbox/log_reader.h"

namespace agentos::sandbox::testing {

using std::chrono::milliseconds;

std::string program(const std::string& name);  // of tests/programs

// A directory that goes with it, and what is mounted in it.
class TestDir {
 public:
  TestDir();
  ~TestDir();
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;
  const std::string& path() const { return path_; }
  // A directory in it that the room's root owns; with sizeKiB a tmpfs of that size.
  std::string make(const std::string& name, unsigned sizeKiB = 0);

 private:
  std::string path_;
  std::vector<std::string> mounts_;
};

// Of the machine's cgroup2 hierarchy, with pay/ in it; removed with it.
class TestGroup {
 public:
  TestGroup();
  ~TestGroup();
  TestGroup(const TestGroup&) = delete;
  TestGroup& operator=(const TestGroup&) = delete;
  std::string pay() const { return path_ + "/pay"; }
  std::string readPay(const std::string& file) const;
  std::vector<pid_t> processes() const;

 private:
  std::string path_;
};

class InitRoom;

struct RoomSetup {
  InitPlan plan{};
  unsigned logKiB = 0, recordKiB = 0;  // a tmpfs of that size instead of a plain directory
  std::vector<int> listeners{};
  bool go = true;
  bool dieWithStarter = false;                    // as the spawner's child is told to, until agent-init takes over
  std::string planBytes{};                        // instead of the plan's
  std::function<void(const InitRoom&)> before{};  // once the directories are there
};

class InitRoom {
 public:
  explicit InitRoom(RoomSetup setup);
  ~InitRoom();  // kills what is left
  InitRoom(const InitRoom&) = delete;
  InitRoom& operator=(const InitRoom&) = delete;

  pid_t init() const { return pid_; }
  TestGroup& group() { return group_; }
  std::string logDir() const { return logDir_; }
  std::string recordDir() const { return recordDir_; }
  // The next message of agent-init on the sync socket, "" at its end; "?" when nothing came within 5 s.
  std::string sync();
  void sendGo();
  void closeSync() { sync_.reset(); }
  // A connection to the control socket, blocking, with a receive timeout of 2 s.
  Fd control() const;
  Fd runDirectory() const;
  static constexpr const char* kSocketName = "room.sock";
  // agent-init's exit status (256 + signal when it was killed); -1 when it still ran after the time.
  int wait(milliseconds time = milliseconds(10'000));
  std::optional<ExitRecord> record() const;
  std::vector<LogFrame> frames() const;
  // What was written to a stream.
  std::string output(LogStream stream = LogStream::kStdout) const;
  // Until `text` is in the stdout log; false after 5 s.
  bool waitForOutput(const std::string& text) const;

 private:
  [[noreturn]] void becomeInit(const std::vector<int>& fds, int start, bool dieWithStarter) const;
  TestDir dir_;
  TestGroup group_;
  std::string logDir_, recordDir_;
  Fd sync_, pidfd_;
  pid_t pid_ = 0;
};

// argv with an ordinary environment, under the seccomp filter.
InitPlan planFor(std::vector<std::string> argv);
InitPlan shellPlan(const std::string& script);  // bash -c

bool eventually(const std::function<bool()>& condition, milliseconds time = milliseconds(5000));
// One request over a connection of control(); nothing when agent-init closed it or did not answer.
std::optional<InitReply> ask(const Fd& control, const InitRequest& request);

}  // namespace agentos::sandbox::testing
