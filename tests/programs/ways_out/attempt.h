// SPDX-License-Identifier: Apache-2.0
// escape NAME WORDS…: tries one way out of a room, says what came of it, and ends with 0 when it got through, 1 when it
// did not, 2 when the words are wrong. None of them does harm where it succeeds: it opens and does not write, or asks
// with arguments that are refused only after the right to ask was granted.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace escape {

using Words = std::vector<std::string>;

struct Attempt {
  const char* name;
  std::size_t words;  // at least so many
  const char* tries;
  bool (*getsThrough)(const Words& words);
};

std::span<const Attempt> fileAttempts();
std::span<const Attempt> groupAttempts();
std::span<const Attempt> kernelAttempts();
std::span<const Attempt> networkAttempts();
std::span<const Attempt> processAttempts();
std::span<const Attempt> spaceAttempts();

// The call was let in: it worked, or failed for another reason than that the caller may not.
bool wasLetIn(long result);
bool opens(const std::string& path, int flags);
// In a child of its own: true when that ended with 0.
bool childDoes(bool (*what)(const Words&), const Words& words);
bool childDoes(bool (*what)());

}  // namespace escape
