// SPDX-License-Identifier: Apache-2.0
// The words that stand for the enumerators in a contract, each list once.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "contract/contract.h"

namespace agentos::contract {

template <class Enum>
struct Word {
  std::string_view text;
  Enum value;
};

// The words of one enumeration, in the order in which they are documented.
template <class Enum>
std::span<const Word<Enum>> wordsOf();

template <>
std::span<const Word<LatencyClass>> wordsOf();
template <>
std::span<const Word<Binding>> wordsOf();
template <>
std::span<const Word<RunMode>> wordsOf();
template <>
std::span<const Word<Verdict>> wordsOf();
template <>
std::span<const Word<CatchUp>> wordsOf();
template <>
std::span<const Word<RestartPolicy>> wordsOf();
template <>
std::span<const Word<MountMode>> wordsOf();
template <>
std::span<const Word<SuperviseStrategy>> wordsOf();
template <>
std::span<const Word<WakeOn>> wordsOf();

std::span<const Word<int>> signalWords();

template <class Enum>
std::string_view wordFor(Enum value) {
  for (const auto& word : wordsOf<Enum>()) {
    if (word.value == value) return word.text;
  }
  return {};
}

}  // namespace agentos::contract
