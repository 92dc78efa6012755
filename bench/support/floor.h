// SPDX-License-Identifier: Apache-2.0
// The least that walls of this kind cost on this kernel: one clone3 with the same eight namespaces into a group of its
// own, a fresh read-only root, pivot_root, lo up, no_new_privs and a filter, exec; no records, no logs, no PID 1 of its
// own, no limits, no daemon. And bubblewrap, asked for the same.
#pragma once

#include <string>
#include <vector>

namespace agentos::bench {

class Floor {
 public:
  // Groups are made in a group of its own, which goes with it. `program` is a static program, started with "/home/at".
  explicit Floor(std::string program);
  ~Floor();
  Floor(const Floor&) = delete;
  Floor& operator=(const Floor&) = delete;
  // From nothing to swept; `home` is the directory that the program sees as /home. Any thread.
  void run(const std::string& home) const;

 private:
  std::string program_, group_;
};

std::vector<std::string> bubblewrapCommand(const std::string& program, const std::string& home);

}  // namespace agentos::bench
