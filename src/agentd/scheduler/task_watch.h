// SPDX-License-Identifier: Apache-2.0
// Sees files come and go in the task directories (inotify(7)): by people, git and other programs, and by agentd itself.
// Changes that come together are told once; an overflow of the kernel's queue tells "everything".
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "company/layout.h"

namespace agentos::agentd {

class TaskWatch {
 public:
  // Empty: everything may have changed.
  using Changed = std::function<void(const std::set<company::TaskStatus>& directories, bool overflow)>;
  static Result<std::unique_ptr<TaskWatch>> make(boost::asio::io_context& io, const company::Company& company,
                                                 Changed changed);
  TaskWatch(const TaskWatch&) = delete;
  TaskWatch& operator=(const TaskWatch&) = delete;
  ~TaskWatch();

 private:
  struct Inotify;
  explicit TaskWatch(std::shared_ptr<Inotify> inotify) : inotify_(std::move(inotify)) {}
  std::shared_ptr<Inotify> inotify_;
};

}  // namespace agentos::agentd
