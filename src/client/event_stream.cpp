// SPDX-License-Identifier: Apache-2.0
#include "client/event_stream.h"

#include <utility>

namespace agentos::client {

bool EventStreamParser::takeLine(std::string_view line, const std::function<bool(const ServerEvent&)>& sink) {
  if (line.empty()) {
    auto data = std::exchange(data_, {});
    auto kind = std::exchange(kind_, {});
    if (!std::exchange(hasData_, false)) return true;
    return sink({lastId_, kind.empty() ? "message" : kind, std::move(data)});
  }
  auto colon = line.find(':');
  auto field = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id" && value.find('\0') == std::string_view::npos) lastId_ = value;
  if (field == "event") kind_ = value;
  if (field == "data") {
    if (hasData_) data_ += '\n';
    data_ += value;
    hasData_ = true;
  }
  return true;  // a comment (the keep-alive), retry, or a field of a later version
}

bool EventStreamParser::feed(std::string_view bytes, const std::function<bool(const ServerEvent&)>& sink) {
  buffer_ += bytes;
  std::size_t begin = 0;
  bool goOn = true;
  for (std::size_t end; goOn && (end = buffer_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    auto line = std::string_view(buffer_).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    goOn = takeLine(line, sink);
  }
  buffer_.erase(0, begin);
  return goOn;
}

}  // namespace agentos::client
