// SPDX-License-Identifier: Apache-2.0
#include "sandbox/policy_file.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>

#include "base/files.h"
#include "base/roots_path.h"
#include "base/text.h"
#include "base/units.h"
#include "base/yaml.h"

namespace agentos::sandbox {
namespace {

// Reads one value of the section into the policy; a problem has no place yet.
using Read = std::function<Result<void>(const YamlNode& node, Policy& policy)>;
struct Key {
  std::string_view name;
  Read read;
};

std::unexpected<Error> wrong(std::string what, std::string remedy) {
  return fail(ErrorCode::kConfig, std::move(what), std::move(remedy));
}

Result<void> readText(const YamlNode& node, std::string& into) {
  if (node.kind != YamlNode::Kind::kScalar) return wrong("not a text", "one value");
  into = node.scalar;
  return {};
}

template <class Number>
Result<void> readNumber(const YamlNode& node, std::int64_t least, std::int64_t most, Number& into) {
  auto value = node.asInt();
  if (!value || *value < least || *value > most) {
    return wrong("\"" + node.scalar + "\" is no number in range",
                 std::to_string(least) + " to " + std::to_string(most));
  }
  into = static_cast<Number>(*value);
  return {};
}

// Any quantity with a unit: parseBytes, parseCpu.
template <class Into, class Parse>
Result<void> readQuantity(const YamlNode& node, Into& into, Parse parse) {
  AGENTOS_TRY(into, parse(node.scalar));
  return {};
}

template <class T>
Key textKey(std::string_view name, T member) {
  return {name, [member](const YamlNode& node, Policy& policy) { return readText(node, policy.*member); }};
}

Result<void> readKeys(const YamlNode& node, std::span<const Key> keys, Policy& policy, const std::string& file);

Result<MountRule> readMount(const YamlNode& node) {
  MountRule rule;
  if (node.kind != YamlNode::Kind::kMap) return wrong("not a mount rule", "{ path: /srv/project, writable: false }");
  for (const auto& entry : node.entries) {
    if (entry.key == "path") {
      AGENTOS_CHECK(readText(entry.value, rule.prefix));
    } else if (entry.key == "writable" && entry.value.asBool()) {
      rule.writable = *entry.value.asBool();
    } else if (entry.key == "owner") {
      AGENTOS_TRY(UserIds ids, findUser(entry.value.scalar));
      rule.owner = ids.uid, rule.group = ids.gid;
    } else {
      return wrong("the key " + entry.key + " of a mount rule", "path, writable (true or false), owner");
    }
  }
  if (rule.prefix.empty()) return wrong("a mount rule without path", "path: /srv/project");
  rule.prefix = resolvedPath(rule.prefix);
  return rule;
}

Result<void> readMounts(const YamlNode& node, Policy& policy) {
  if (node.kind != YamlNode::Kind::kList) return wrong("not a list", "- path: /srv/project");
  for (const auto& item : node.items) {
    AGENTOS_TRY(auto rule, readMount(item));
    policy.mounts.push_back(std::move(rule));
  }
  return {};
}

const std::array<Key, 8> kLimitKeys = {{
    {"cpu", [](auto& node, auto& policy) { return readQuantity(node, policy.ceilings.cpu, parseCpu); }},
    {"memory", [](auto& node, auto& policy) { return readQuantity(node, policy.ceilings.memory, parseBytes); }},
    {"swap", [](auto& node, auto& policy) { return readQuantity(node, policy.ceilings.swap, parseBytes); }},
    {"tmp", [](auto& node, auto& policy) { return readQuantity(node, policy.ceilings.tmp, parseBytes); }},
    {"pids", [](auto& node, auto& policy) { return readNumber(node, 1, 4194304, policy.ceilings.pids); }},
    {"rooms", [](auto& node, auto& policy) { return readNumber(node, 1, 32768, policy.ceilings.rooms); }},
    {"open_files", [](auto& node, auto& policy) { return readNumber(node, 64, 1 << 20, policy.ceilings.openFiles); }},
    {"real_time", [](auto& node, auto& policy) { return readNumber(node, 0, 95, policy.ceilings.realTimePercent); }},
}};

const std::array<Key, 2> kUidKeys = {{
    {"first", [](auto& node, auto& policy) { return readNumber(node, 65536, 0x7fffffff, policy.uidFirst); }},
    {"rooms", [](auto& node, auto& policy) { return readNumber(node, 1, 32768, policy.slots); }},
}};

Result<void> readPeer(const YamlNode& node, Policy& policy) {
  AGENTOS_TRY(UserIds ids, findUser(node.scalar));
  policy.peerUid = ids.uid, policy.peerGid = ids.gid;
  return {};
}

std::array<Key, 9> sectionKeys(const std::string& file) {
  return {{
      {"peer", readPeer},
      textKey("state", &Policy::stateDir),
      textKey("logs", &Policy::logDir),
      textKey("run", &Policy::runDir),
      textKey("cgroup", &Policy::cgroupRoot),
      textKey("init", &Policy::initBinary),
      {"mounts", readMounts},
      {"uids", [file](auto& node, auto& policy) { return readKeys(node, kUidKeys, policy, file); }},
      {"limits", [file](auto& node, auto& policy) { return readKeys(node, kLimitKeys, policy, file); }},
  }};
}

std::string placeOf(const std::string& file, const YamlMark& mark) {
  return file + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column);
}

Result<void> readKeys(const YamlNode& node, std::span<const Key> keys, Policy& policy, const std::string& file) {
  if (node.kind != YamlNode::Kind::kMap) return wrong(placeOf(file, node.mark) + ": not a map of keys", "key: value");
  for (const auto& entry : node.entries) {
    const Key* found = nullptr;
    std::vector<std::string_view> names;
    for (const auto& key : keys) {
      names.push_back(key.name);
      if (key.name == entry.key) found = &key;
    }
    auto meant = didYouMean(entry.key, names);
    auto done = found != nullptr
                    ? found->read(entry.value, policy)
                    : Result<void>(wrong("unknown key " + entry.key, meant ? "did you mean " + *meant : "remove it"));
    if (!done) {
      Error error = std::move(done).error();
      error.code = ErrorCode::kConfig;
      return std::unexpected(std::move(error).within(placeOf(file, entry.mark) + ": " + entry.key));
    }
  }
  return {};
}

}  // namespace

Result<UserIds> findUser(const std::string& name) {
  uid_t number = 0;
  auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
  bool numeric = problem == std::errc() && end == name.data() + name.size();
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  if (numeric) {
    ::getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
    return UserIds{number, found != nullptr ? found->pw_gid : number};
  }
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return wrong("there is no user \"" + name + "\"", "a user's name or uid");
  return UserIds{found->pw_uid, found->pw_gid};
}

std::string resolvedPath(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), std::free);
  return resolved ? std::string(resolved.get()) : path;
}

std::string resolvedPathWithout(uid_t user, const std::string& path) {
  constexpr int kMostLinks = 40;
  std::string at;
  std::deque<std::string> names;
  auto put = [&names](std::string_view more) {
    auto words = split(more, '/');
    names.insert(names.begin(), words.begin(), words.end());
  };
  put(path);
  for (int links = 0; !names.empty();) {
    const std::string name = names.front();
    names.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      at.resize(at.empty() ? 0 : at.rfind('/'));
      continue;
    }
    std::array<char, PATH_MAX> target{};
    const std::string here = at + "/" + name;
    struct stat info{};
    if (::lstat(here.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) {
      at = here;
      continue;
    }
    const ssize_t size = ::readlink(here.c_str(), target.data(), target.size());
    if (info.st_uid == user || size <= 0 || ++links > kMostLinks) return path;
    if (target[0] == '/') at.clear();
    put({target.data(), static_cast<std::size_t>(size)});
  }
  return at.empty() ? "/" : at;
}

Result<Policy> parsePolicy(std::string_view text, const std::string& file, Policy policy) {
  auto document = parseYaml(text, file);
  if (!document) return wrong(document.error().front().message(), "valid YAML");
  if (const YamlNode* section = document->find("spawner")) {
    auto keys = sectionKeys(file);
    AGENTOS_CHECK(readKeys(*section, keys, policy, file));
  }
  return policy;
}

Result<std::string> readRootsFile(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat info{};
  if (!file && errno == ENOENT) return fail(ErrorCode::kNotFound, path + " is not there");
  if (!file || ::fstat(file.get(), &info) != 0) {
    return failErrno(errno, "opening the policy " + path, "name a readable file", ErrorCode::kConfig);
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return wrong("the policy " + path + " is not root's alone", "chown root " + path + " && chmod go-w " + path);
  }
  if (!isRootsPath(path)) {  // who can put another file there can put an older one of root's there, too
    return wrong("a directory on the way to the policy " + path + " is not root's alone",
                 "keep it where root owns every directory and nobody else may write: ls -ld shows them");
  }
  return readAll(file.get(), 1 << 20);
}

Result<Policy> loadPolicy(const std::string& path, Policy policy) {
  auto text = readRootsFile(path);
  if (!text) {
    Error error = std::move(text).error();
    error.code = ErrorCode::kConfig;
    return std::unexpected(std::move(error));
  }
  return parsePolicy(*text, path, std::move(policy));
}

}  // namespace agentos::sandbox
