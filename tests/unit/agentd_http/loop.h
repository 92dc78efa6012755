// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <string>
#include <thread>

#include "base/ids.h"

namespace agentos::agentd::test {

// The daemon's loop on a thread of its own, so that a test's client may block.
class Loop {
 public:
  Loop() : thread_([this] { io.run(); }) {}
  ~Loop() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    work_.reset();
    io.stop();
    thread_.join();
  }
  // Runs on the loop, and waits for it.
  template <class Work>
  auto run(Work work) {
    return boost::asio::co_spawn(
               io, [work = std::move(work)]() mutable -> boost::asio::awaitable<decltype(work())> { co_return work(); },
               boost::asio::use_future)
        .get();
  }
  template <class T>
  T await(boost::asio::awaitable<T> task) {
    return boost::asio::co_spawn(io, std::move(task), boost::asio::use_future).get();
  }
  boost::asio::io_context io{1};

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
  std::thread thread_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(std::filesystem::temp_directory_path().string() + "/agentd-test-" + randomToken(8)) {
    std::filesystem::create_directory(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::size_t openDescriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count - 1;  // the iterator's own
}

// Asks until it is true; false after five seconds.
template <class Question>
bool eventually(Question question) {
  for (int i = 0; i < 500; ++i) {
    if (question()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace agentos::agentd::test
