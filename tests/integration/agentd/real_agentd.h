// SPDX-License-Identifier: Apache-2.0
// A real agentd in a prefix of its own, gone with the test: its processes, its control groups and its files.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace agentos::test {

using namespace std::chrono_literals;

struct Answer {
  int status = 0;
  std::string out, err;
  Json json() const { return Json::parse(out, nullptr, false); }
};
// A program from the build's bin directory (or by its path), to its end.
Answer runProgram(const std::vector<std::string>& command);

class RealAgentd {
 public:
  RealAgentd();
  ~RealAgentd();
  RealAgentd(const RealAgentd&) = delete;
  RealAgentd& operator=(const RealAgentd&) = delete;

  // Another directory of programs than the build's.
  void programs(const std::string& directory) { programs_ = directory + "/"; }
  // Starts it and waits until it is ready.
  void start();
  // What /readyz says: it has recovered.
  bool isReady();
  // Ends it as an operator does; the exit status.
  int stop();
  Answer ctl(std::vector<std::string> words);
  // ctl, that must succeed, as JSON.
  Json ask(std::vector<std::string> words);

  // A contract of root's, `run` and the rest as YAML.
  void contract(const std::string& name, const std::string& rest);
  void config(const std::string& yaml);
  // agentctl system reload.
  void reload() { ask({"system", "reload"}); }
  std::string addTask(const std::string& title, const std::string& agent);
  // "queued", "done", …: the directory the file lies in.
  std::string statusOf(const std::string& task);
  std::string output(const std::string& instance);
  std::size_t countOutput(const std::string& instance, const std::string& needle);
  Json status(const std::string& agent);

  pid_t launcher() const { return launcher_; }
  pid_t daemon();
  std::string cgroup(const std::string& instance);  // of the instance, below the cgroup2 mount
  std::vector<pid_t> processes(const std::string& instance);
  const std::string& prefix() const { return prefix_; }
  std::string company() const { return prefix_ + "/acme"; }
  std::string log() const;
  void forget() { launcher_ = -1; }  // it was killed by the test

 private:
  std::string prefix_, cgroupRoot_, programs_;
  pid_t launcher_ = -1;
};

// Until it holds, at most this long.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience = 10s);
bool isAlive(pid_t pid);
std::vector<pid_t> childrenOf(pid_t pid);
std::string readWhole(const std::string& path);

}  // namespace agentos::test
