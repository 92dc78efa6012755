// SPDX-License-Identifier: Apache-2.0
#include "models/pattern.h"

#include <array>

#include "base/text.h"

namespace agentos::models {
namespace {

constexpr std::size_t kMostOfALine = 4096;

}  // namespace

Result<Pattern> Pattern::compile(const std::string& expression) {
  auto compiled = std::make_unique<regex_t>();
  if (const int error = regcomp(compiled.get(), expression.c_str(), REG_EXTENDED); error != 0) {
    std::array<char, 200> text{};
    regerror(error, compiled.get(), text.data(), text.size());
    return fail(ErrorCode::kSyntax, "regular expression '" + expression + "': " + text.data(),
                "write it as regex(7) says");
  }
  return Pattern(std::shared_ptr<const regex_t>(compiled.release(), [](const regex_t* regex) {
    auto* owned = const_cast<regex_t*>(regex);
    regfree(owned);
    delete owned;
  }));
}

std::optional<std::vector<std::string>> Pattern::search(std::string_view text) const {
  std::vector<regmatch_t> spans(compiled_->re_nsub + 1);
  for (const std::string_view whole : split(text, '\n')) {
    const std::string line(whole.substr(0, kMostOfALine));
    if (regexec(compiled_.get(), line.c_str(), spans.size(), spans.data(), 0) != 0) continue;
    std::vector<std::string> groups;
    for (const regmatch_t& span : spans)
      groups.push_back(span.rm_so < 0 ? std::string()
                                      : line.substr(static_cast<std::size_t>(span.rm_so),
                                                    static_cast<std::size_t>(span.rm_eo - span.rm_so)));
    return groups;
  }
  return std::nullopt;
}

}  // namespace agentos::models
