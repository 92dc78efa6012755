// SPDX-License-Identifier: Apache-2.0
// The one place where a coroutine is let go.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

namespace agentos::agentd {

// Runs `task` on its own. An exception that leaves it is logged under `name` as the defect it is; a cancellation is
// not. The caller sees to it that what the coroutine refers to outlives it.
void spawnTask(const boost::asio::any_io_executor& executor, std::string name, boost::asio::awaitable<void> task);

}  // namespace agentos::agentd
