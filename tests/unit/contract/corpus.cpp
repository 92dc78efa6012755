// SPDX-License-Identifier: Apache-2.0
#include "corpus.h"

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/text.h"

namespace agentos::contract {
namespace {

std::vector<std::string> expectationsIn(std::string_view text) {
  constexpr std::string_view kMark = "# expect: ";
  std::vector<std::string> expected;
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(kMark)) break;
    expected.emplace_back(line.substr(kMark.size()));
  }
  return expected;
}

std::vector<CorpusFile> readFolder(const std::string& folder) {
  std::vector<CorpusFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(AGENTOS_SOURCE_DIR "/contracts/corpus/" + folder)) {
    const std::string path = entry.path().string();
    const std::string text = readPath(path).value();
    files.push_back({entry.path().stem().string(), path, text, expectationsIn(text)});
  }
  std::ranges::sort(files, {}, &CorpusFile::name);
  return files;
}

}  // namespace

std::vector<CorpusFile> goodCorpus() { return readFolder("good"); }
std::vector<CorpusFile> badCorpus() { return readFolder("bad"); }

std::string shortForm(const YamlProblem& problem) {
  return std::string(infoOf(problem.code).name) + " " + std::to_string(problem.mark.line) + ":" +
         std::to_string(problem.mark.column) + " " + (problem.path.empty() ? "-" : problem.path);
}

}  // namespace agentos::contract
