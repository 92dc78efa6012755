// SPDX-License-Identifier: Apache-2.0
#include "agentctl/company_use.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "base/files.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"

namespace agentos::agentctl {
namespace {

namespace fs = std::filesystem;

// Plain where YAML takes it plain, else as JSON, which YAML takes too.
std::string quoted(const std::string& text) {
  const bool plain =
      text.starts_with('/') && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) != 0 || std::string_view("/._-").find(static_cast<char>(c)) != std::string_view::npos;
      });
  return plain ? text : dumpJson(Json(text));
}

// Where the line begins that starts so; npos: none does.
std::size_t lineThatStarts(const std::string& text, const std::string& with) {
  if (text.starts_with(with)) return 0;
  const auto at = text.find("\n" + with);
  return at == std::string::npos ? at : at + 1;
}

const YamlNode* saidIn(const std::expected<YamlNode, std::vector<YamlProblem>>& document, const std::string& key) {
  return document ? document->find(key) : nullptr;
}

bool saysModels(const std::string& text) {
  const auto document = parseYaml(text, "agentd.yaml");
  const YamlNode* models = saidIn(document, "models");
  return models != nullptr && !models->items.empty();
}

// Beside the installed program, else in the source tree it was built from.
Result<std::string> findScript() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place :
       {program / "../share/agentd/examples/model.yaml", fs::path(AGENTOS_EXAMPLES) / "../../demo/model.yaml"}) {
    if (fs::exists(place, error)) return place.lexically_normal().string();
  }
  return fail(ErrorCode::kNotFound, "the example's model is not installed",
              "install agentd with its examples, or leave out --scripted-model");
}

Result<std::string> readOrEmpty(const std::string& path) {
  auto text = readPath(path);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

// In the place of what is there: where a link leads, for the same owner, group and mode, since agentd reads it too.
Result<void> putBack(const std::string& configFile, const std::string& text) {
  std::error_code error;
  fs::path file = fs::canonical(configFile, error);
  if (error) file = configFile;
  AGENTOS_TRY(Fd directory, makeDirectories(file.parent_path().string(), 0755));
  struct stat before{};
  if (::fstatat(directory.get(), file.filename().c_str(), &before, AT_SYMLINK_NOFOLLOW) != 0)
    return replaceFile(directory.get(), file.filename().string(), text, 0644);
  const std::string fresh = "." + file.filename().string() + "." + randomToken(8);
  AGENTOS_CHECK(createFile(directory.get(), fresh, text, 0600));
  if (::fchownat(directory.get(), fresh.c_str(), before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(directory.get(), fresh.c_str(), before.st_mode & 0777U, 0) != 0 ||
      ::renameat(directory.get(), fresh.c_str(), directory.get(), file.filename().c_str()) != 0) {
    auto failure = failErrno(errno, "cannot put " + file.string() + " in place");
    ::unlinkat(directory.get(), fresh.c_str(), 0);
    return failure;
  }
  return syncFd(directory.get(), "the directory of " + file.string());
}

}  // namespace

Result<std::string> withKey(const std::string& text, const std::string& key, const std::string& value) {
  const std::string line = key + ": " + value;
  std::string changed = text;
  auto at = lineThatStarts(text, key + ":");
  if (at == std::string::npos) at = lineThatStarts(text, "#" + key + ":");
  if (at == std::string::npos) {
    changed += (text.empty() || text.ends_with('\n') ? "" : "\n") + line + "\n";
  } else {
    changed.replace(at, std::min(text.find('\n', at), text.size()) - at, line);
  }
  const auto before = parseYaml(line, "agentd.yaml"), after = parseYaml(changed, "agentd.yaml");
  const YamlNode *wanted = saidIn(before, key), *said = saidIn(after, key);
  if (wanted == nullptr || said == nullptr || said->kind != wanted->kind || said->scalar != wanted->scalar ||
      said->items.size() != wanted->items.size()) {
    return fail(ErrorCode::kConfig, "agentd.yaml says " + key + " in a way that cannot be changed for you",
                "write it yourself: " + line);
  }
  return changed;
}

Result<void> useCompany(const CompanyInUse& wanted) {
  std::error_code error;
  if (!fs::exists(wanted.directory + "/company.yaml", error)) {
    return fail(ErrorCode::kNotFound, wanted.directory + " is no company: it has no company.yaml",
                "agentctl company init " + wanted.directory);
  }
  AGENTOS_TRY(std::string text, readOrEmpty(wanted.configFile));
  AGENTOS_TRY(text, withKey(text, "company", quoted(fs::canonical(wanted.directory, error).string())));
  if (wanted.scriptedModel && !saysModels(text)) {
    AGENTOS_TRY(const std::string script, findScript());
    AGENTOS_TRY(text, withKey(text, "models", "[{ driver: scripted, script: " + quoted(script) + " }]"));
    // The example's contracts are flexible, and bound disk space, which no file system here is asked to.
    static constexpr std::string_view kOff = "\n  #allow_unlimited_without_controllers: false\n";
    if (const auto at = text.find(kOff); at != std::string::npos) {
      std::string allowed = text;
      allowed.replace(at, kOff.size(), "\n  allow_unlimited_without_controllers: true\n");
      // Where `policy: { … }` stands above it, the line belongs to nothing, and whoever wrote that has decided.
      if (parseYaml(allowed, "agentd.yaml")) text = std::move(allowed);
    }
  }
  return putBack(wanted.configFile, text);
}

Result<bool> restartService() {
  std::error_code error;
  if (!fs::exists("/run/systemd/system", error)) return false;
  std::array<const char*, 5> words = {"systemctl", "restart", "agentd-spawner.service", "agentd.service", nullptr};
  pid_t pid = 0;
  // systemctl does not write into its words; posix_spawn's type is older than const.
  const int failed = ::posix_spawnp(&pid, words[0], nullptr, nullptr, const_cast<char**>(words.data()), environ);
  if (failed != 0) return failErrno(failed, "cannot run systemctl", "systemctl restart agentd-spawner agentd");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failErrno(errno, "cannot wait for systemctl");
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  return fail(ErrorCode::kUnavailable, "the service was not restarted", "journalctl -u agentd -n 20 says why");
}

}  // namespace agentos::agentctl
