// SPDX-License-Identifier: Apache-2.0
// A real agentd in a prefix of its own, as root would start it, and a connection to its API that stays open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"

namespace agentos::bench {

// On a disk, for the disk is part of what is measured: $AGENTOS_BENCH_DIR, else /var/tmp.
std::string benchDirectory();
pid_t start(const std::vector<std::string>& words, const std::string& outputTo = "");
int waitFor(pid_t pid);
std::vector<pid_t> childrenOf(pid_t pid);
std::string readWhole(const std::string& path);

// One HTTP/1.1 connection, kept alive. Answers with a content length only, as agentd's are.
class Connection {
 public:
  explicit Connection(const std::string& socket);
  struct Answer {
    int status = 0;
    std::string body;
  };
  Answer ask(const std::string& method, const std::string& target, const std::string& body = "");
  // Ends the program when the status is not 2xx.
  Json call(const std::string& method, const std::string& target, const std::string& body = "");

 private:
  bool receive();
  Fd fd_;
  std::string buffer_;
};

// One at a time. Also gone when the program ends by stop().
class House {
 public:
  enum class Begin : std::uint8_t { kRunning, kPrepared };
  // `bin` holds agentd and its helpers; `mounts` are host directories that contracts may mount. kPrepared leaves the
  // starting to start().
  House(std::string bin, const std::vector<std::string>& mounts, Begin begin = Begin::kRunning);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  // Only asks for it; then waitUntilReady().
  void start();
  void waitUntilReady();
  // A clean stop; what lies on disk stays.
  void end();

  std::string company() const { return prefix_ + "/acme"; }
  std::string socket() const { return prefix_ + "/run/agentd/agentd.sock"; }
  std::string scratch(const std::string& agent) const { return prefix_ + "/var/lib/agentd/scratch/" + agent; }
  const std::string& prefix() const { return prefix_; }
  pid_t launcher() const { return launcher_; }

 private:
  void tearDown();
  static House* standing_;
  std::string bin_, prefix_, cgroupRoot_;
  pid_t launcher_ = -1;
};

}  // namespace agentos::bench
