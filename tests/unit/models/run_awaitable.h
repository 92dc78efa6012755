// SPDX-License-Identifier: Apache-2.0
// Runs one coroutine to its end on an io_context of its own and gives what it returned.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

namespace agentos::models {

template <class T>
T runAwaitable(boost::asio::io_context& context, boost::asio::awaitable<T> work) {
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context, std::move(work), [&](std::exception_ptr error, T value) {
    thrown = error;
    result.emplace(std::move(value));
  });
  context.restart();
  while (!result && !thrown && context.run_one() > 0) {
  }
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*result);
}

template <class T>
T runAwaitable(boost::asio::awaitable<T> work) {
  boost::asio::io_context context;
  return runAwaitable(context, std::move(work));
}

}  // namespace agentos::models
