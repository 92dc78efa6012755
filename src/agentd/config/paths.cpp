// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/paths.h"

#include <filesystem>
#include <system_error>

namespace agentos::agentd {
namespace fs = std::filesystem;

std::string currentDirectory() {
  std::error_code error;
  auto path = fs::current_path(error);
  return error ? "/" : path.string();
}

std::string absolutePath(const std::string& path, const std::string& base) {
  if (path.empty()) return {};
  fs::path whole = fs::path(path).is_absolute() ? fs::path(path) : fs::path(base) / path;
  std::string normal = whole.lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

std::string withoutLinks(const std::string& path) {
  std::error_code error;
  auto real = fs::weakly_canonical(path, error);
  return path.empty() || error ? path : real.string();
}

std::string absolutePrefix(const std::string& prefix) {
  std::string path = withoutLinks(absolutePath(prefix, currentDirectory()));
  return path == "/" ? std::string() : path;
}

std::string programDirectory() {
  std::error_code error;
  auto program = fs::read_symlink("/proc/self/exe", error);
  return error ? "/usr/lib/agentd" : program.parent_path().string();
}

std::string helperDirectory() {
  std::error_code error;
  const std::string here = programDirectory();
  const fs::path installed = (fs::path(here) / "../lib/agentd").lexically_normal();
  return !fs::exists(here + "/agentd-spawner", error) && fs::exists(installed, error) ? installed.string() : here;
}

}  // namespace agentos::agentd
