// SPDX-License-Identifier: Apache-2.0
// POSIX extended regular expressions (regex(7)), by the C library: std::regex overflows the stack on long texts.
#pragma once

#include <regex.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace agentos::models {

class Pattern {
 public:
  static Result<Pattern> compile(const std::string& expression);
  // The first match and its groups, line by line as grep does; none when no line has one. Of a line the first 4 KiB are
  // looked at: the C library's matcher is quadratic on the worst expressions.
  std::optional<std::vector<std::string>> search(std::string_view text) const;
  std::size_t groups() const { return compiled_->re_nsub; }

 private:
  explicit Pattern(std::shared_ptr<const regex_t> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const regex_t> compiled_;
};

}  // namespace agentos::models
