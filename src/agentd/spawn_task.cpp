// SPDX-License-Identifier: Apache-2.0
#include "agentd/spawn_task.h"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <utility>

namespace agentos::agentd {
namespace {

void report(const std::string& name, const std::exception_ptr& escaped) {
  try {
    std::rethrow_exception(escaped);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::asio::error::operation_aborted) spdlog::error("{}: ended by {}", name, error.what());
  } catch (const std::exception& error) {
    spdlog::error("{}: ended by {}", name, error.what());
  } catch (...) {
    spdlog::error("{}: ended by an exception of no known kind", name);
  }
}

}  // namespace

void spawnTask(const boost::asio::any_io_executor& executor, std::string name, boost::asio::awaitable<void> task) {
  // A completion handler in place of `detached`, which would drop the exception.
  boost::asio::co_spawn(executor, std::move(task), [name = std::move(name)](const std::exception_ptr& escaped) {
    if (escaped) report(name, escaped);
  });
}

}  // namespace agentos::agentd
