// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface driven by an Asio executor (curl_multi_socket_action(3)): no thread, no polling. Used on
// the executor's one thread.
#pragma once

#include <curl/curl.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "base/error.h"

namespace agentos::models {

class CurlLoop {
 public:
  explicit CurlLoop(boost::asio::any_io_executor executor);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  // Starts the transfer; `done` is called once, from the loop, unless it is removed before. It must not remove.
  Result<void> add(CURL* easy, std::function<void(CURLcode)> done);
  // Ends the transfer; a connection that is idle after it is kept for the next.
  void remove(CURL* easy);
  boost::asio::any_io_executor executor() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace agentos::models
