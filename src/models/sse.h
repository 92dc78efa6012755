// SPDX-License-Identifier: Apache-2.0
// Server-sent events (HTML standard, "parsing an event stream"), as far as model endpoints use them: the data of each
// event; ids, names, comments and retry are passed over. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace agentos::models {

class SseParser {
 public:
  // No line and no event is longer.
  explicit SseParser(std::size_t maxBytes) : maxBytes_(maxBytes) {}

  // The data of every event that these bytes complete; kModelUpstream when one grows past the bound.
  Result<std::vector<std::string>> feed(std::string_view bytes);
  // Bytes of an event that has not ended are left.
  bool inEvent() const { return !line_.empty() || !data_.empty(); }

 private:
  Result<void> takeLine(std::vector<std::string>& events);

  std::size_t maxBytes_;
  std::string line_, data_;
  bool hasData_ = false;
};

}  // namespace agentos::models
