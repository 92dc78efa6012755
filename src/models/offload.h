// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

namespace agentos::models {

// Runs work that takes long (a large body's) elsewhere and comes back when it is done: the caller's thread serves
// others meanwhile. The work owns what it touches and throws nothing.
using Offload = std::function<boost::asio::awaitable<void>(std::function<void()> work)>;

// Here and at once where there is no elsewhere.
boost::asio::awaitable<void> runOffloaded(const Offload& offload, std::function<void()> work);

}  // namespace agentos::models
