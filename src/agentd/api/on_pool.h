// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <utility>

namespace agentos::agentd {

// Runs blocking `work` on the pool and comes back to the caller's executor with what it returned. `work` touches
// nothing that the loop may change, and throws nothing. The coroutine itself never runs on the pool, so a cancellation
// that comes meanwhile is safe: it is met when the work is done.
template <class T>
boost::asio::awaitable<T> onPool(boost::asio::thread_pool& pool, std::function<T()> work) {
  auto home = co_await boost::asio::this_coro::executor;
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(T)>(
      [&pool, home, work = std::move(work)](auto handler) mutable {
        boost::asio::post(pool, [home, work = std::move(work), handler = std::move(handler)]() mutable {
          boost::asio::post(
              home, [value = work(), handler = std::move(handler)]() mutable { std::move(handler)(std::move(value)); });
        });
      },
      boost::asio::use_awaitable);
}

}  // namespace agentos::agentd
