// SPDX-License-Identifier: Apache-2.0
#include "models/offload.h"

namespace agentos::models {

boost::asio::awaitable<void> runOffloaded(const Offload& offload, std::function<void()> work) {
  if (offload) return offload(std::move(work));
  return [](std::function<void()> now) -> boost::asio::awaitable<void> {
    now();
    co_return;
  }(std::move(work));
}

}  // namespace agentos::models
