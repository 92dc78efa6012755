// SPDX-License-Identifier: Apache-2.0
#include "models/sse.h"

#include <spdlog/fmt/fmt.h>

namespace agentos::models {

Result<std::vector<std::string>> SseParser::feed(std::string_view bytes) {
  std::vector<std::string> events;
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    line_.append(bytes.substr(0, end));
    if (line_.size() + data_.size() > maxBytes_)
      return fail(ErrorCode::kModelUpstream,
                  fmt::format("the endpoint sent an event of more than {} bytes", maxBytes_));
    if (end == std::string_view::npos) break;
    AGENTOS_CHECK(takeLine(events));
    bytes.remove_prefix(end + 1);
  }
  return events;
}

Result<void> SseParser::takeLine(std::vector<std::string>& events) {
  std::string_view line = line_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    if (hasData_) events.push_back(std::move(data_));
    data_.clear();
    hasData_ = false;
  } else if (line.starts_with("data:")) {
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (hasData_) data_ += '\n';
    data_ += line;
    hasData_ = true;
  }
  line_.clear();
  return {};
}

}  // namespace agentos::models
