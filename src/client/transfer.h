// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange by libcurl over a unix socket.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "client/client.h"

namespace agentos::client {

using BodySink = std::function<bool(std::string_view)>;

struct Exchange {
  int curlCode = 0;      // CURLE_…
  Response response;     // its body is what the sink did not get
  bool stopped = false;  // by the sink
  bool tooLarge = false;
  std::chrono::seconds retryAfter{};  // the header; zero: there was none
};

// A good answer's body goes to `sink`, if there is one; another's is kept. `curl` is a handle of curl_easy_init().
Exchange exchange(void* curl, const std::string& socketPath, const Request& request, const BodySink* sink);

// The answer was lost on the way, after the request went out.
bool isLostAnswer(int curlCode);

}  // namespace agentos::client
