// SPDX-License-Identifier: Apache-2.0
#include "contract/words.h"

#include <array>
#include <csignal>

namespace agentos::contract {

template <>
std::span<const Word<LatencyClass>> wordsOf() {
  static constexpr std::array kWords = {Word{"HRT", LatencyClass::kHrt}, Word{"SRT", LatencyClass::kSrt},
                                        Word{"DT", LatencyClass::kDt}};
  return kWords;
}
template <>
std::span<const Word<Binding>> wordsOf() {
  static constexpr std::array kWords = {Word{"strict", Binding::kStrict}, Word{"smooth", Binding::kSmooth},
                                        Word{"flexible", Binding::kFlexible}};
  return kWords;
}
template <>
std::span<const Word<RunMode>> wordsOf() {
  static constexpr std::array kWords = {Word{"cycle", RunMode::kCycle}, Word{"service", RunMode::kService},
                                        Word{"job", RunMode::kJob}};
  return kWords;
}
template <>
std::span<const Word<Verdict>> wordsOf() {
  static constexpr std::array kWords = {Word{"exit", Verdict::kExit}, Word{"api", Verdict::kApi}};
  return kWords;
}
template <>
std::span<const Word<CatchUp>> wordsOf() {
  static constexpr std::array kWords = {Word{"once", CatchUp::kOnce}, Word{"skip", CatchUp::kSkip}};
  return kWords;
}
template <>
std::span<const Word<RestartPolicy>> wordsOf() {
  static constexpr std::array kWords = {Word{"no", RestartPolicy::kNo}, Word{"on-failure", RestartPolicy::kOnFailure},
                                        Word{"always", RestartPolicy::kAlways}};
  return kWords;
}
template <>
std::span<const Word<MountMode>> wordsOf() {
  static constexpr std::array kWords = {Word{"ro", MountMode::kReadOnly}, Word{"rw", MountMode::kReadWrite},
                                        Word{"overlay", MountMode::kOverlay}};
  return kWords;
}
template <>
std::span<const Word<SuperviseStrategy>> wordsOf() {
  static constexpr std::array kWords = {Word{"one_for_one", SuperviseStrategy::kOneForOne},
                                        Word{"one_for_all", SuperviseStrategy::kOneForAll},
                                        Word{"rest_for_one", SuperviseStrategy::kRestForOne}};
  return kWords;
}
template <>
std::span<const Word<WakeOn>> wordsOf() {
  static constexpr std::array kWords = {Word{"task", WakeOn::kTask}, Word{"message", WakeOn::kMessage}};
  return kWords;
}

std::span<const Word<int>> signalWords() {
  static constexpr std::array kWords = {Word{"SIGTERM", SIGTERM}, Word{"SIGINT", SIGINT},   Word{"SIGHUP", SIGHUP},
                                        Word{"SIGQUIT", SIGQUIT}, Word{"SIGUSR1", SIGUSR1}, Word{"SIGUSR2", SIGUSR2},
                                        Word{"SIGKILL", SIGKILL}};
  return kWords;
}

}  // namespace agentos::contract
