// SPDX-License-Identifier: Apache-2.0
// Server-sent events (WHATWG HTML, "Server-sent events"), from bytes as they come.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace agentos::client {

struct ServerEvent {
  std::string id;  // the last one that was said; stays until another comes
  std::string kind = "message";
  std::string data;
};

class EventStreamParser {
 public:
  // Gives each whole event to `sink`; false from it ends the feeding, and feed returns false.
  bool feed(std::string_view bytes, const std::function<bool(const ServerEvent&)>& sink);
  const std::string& lastId() const { return lastId_; }

 private:
  bool takeLine(std::string_view line, const std::function<bool(const ServerEvent&)>& sink);
  std::string buffer_, lastId_, data_, kind_;
  bool hasData_ = false;
};

}  // namespace agentos::client
