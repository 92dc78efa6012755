// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/definitions.h"

#include <algorithm>
#include <utility>

#include "base/ip_address.h"
#include "base/text.h"

namespace agentos::agentd {
namespace {

using Kind = YamlNode::Kind;
using Path = const std::string&;

std::optional<std::string> textOf(const YamlNode& node, Path path, ConfigReader& reader, std::string_view wanted) {
  if (node.kind == Kind::kScalar) return node.scalar;
  reader.complain(node, path, ErrorCode::kConfig, "must be " + std::string(wanted), "write one value");
  return std::nullopt;
}

std::vector<std::string> listOf(const YamlNode& node, Path path, ConfigReader& reader, std::string_view wanted) {
  std::vector<std::string> values;
  if (node.kind != Kind::kList) {
    reader.complain(node, path, ErrorCode::kConfig, "must be a list", "write [ … ] with " + std::string(wanted));
    return values;
  }
  for (std::size_t index = 0; index < node.items.size(); ++index) {
    if (auto text = textOf(node.items[index], path + "[" + std::to_string(index) + "]", reader, wanted)) {
      values.push_back(std::move(*text));
    }
  }
  return values;
}

Definition text(std::string key, std::string Config::* member, std::string fallback, std::string doc) {
  return {std::move(key),
          "text",
          "",
          std::move(fallback),
          std::move(doc),
          [member](Config& config, const YamlNode& node, Path path, ConfigReader& reader) {
            if (auto value = textOf(node, path, reader, "text")) config.*member = *value;
          }};
}

Definition path(std::string key, std::string Config::* member, std::string doc) {
  return {std::move(key),
          "path",
          "",
          "",
          std::move(doc),
          [member](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            if (auto value = textOf(node, where, reader, "a path"))
              config.*member = absolutePath(*value, reader.directory);
          }};
}

template <class Get>
Definition list(std::string key, std::string type, std::string fallback, std::string doc, Get get) {
  return {std::move(key),
          "list of " + type,
          "",
          std::move(fallback),
          std::move(doc),
          [get, type](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            get(config) = listOf(node, where, reader, type);
            if (type != "paths") return;
            for (auto& one : get(config)) one = absolutePath(one, reader.directory);
          }};
}

template <class Get>
Definition integer(std::string key, std::int64_t low, std::int64_t high, std::string fallback, std::string doc,
                   Get get) {
  const std::string range = std::to_string(low) + " … " + std::to_string(high);
  return {std::move(key),
          "integer",
          range,
          std::move(fallback),
          std::move(doc),
          [get, low, high, range](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            auto value = node.asInt();
            if (value && *value >= low && *value <= high) {
              get(config) = *value;
            } else {
              reader.complain(node, where, ErrorCode::kConfig, "\"" + node.scalar + "\" is not a whole number in range",
                              range);
            }
          }};
}

template <class Get>
Definition boolean(std::string key, std::string fallback, std::string doc, Get get) {
  return {std::move(key),
          "boolean",
          "true, false",
          std::move(fallback),
          std::move(doc),
          [get](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            if (auto value = node.asBool()) {
              get(config) = *value;
            } else {
              reader.complain(node, where, ErrorCode::kConfig, "\"" + node.scalar + "\" is not a boolean",
                              "true or false");
            }
          }};
}

// One of a few words, each standing for a value.
template <class Value>
Definition word(std::string key, Value Config::* member, std::vector<std::pair<std::string, Value>> words,
                std::string doc) {
  std::vector<std::string> names;
  for (const auto& [name, value] : words) names.push_back(name);
  const std::string range = join(names, ", ");
  return {std::move(key),
          "word",
          range,
          words.front().first,
          std::move(doc),
          [member, words, range](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            auto found = std::ranges::find(words, node.scalar, [](const auto& one) { return one.first; });
            if (node.kind == Kind::kScalar && found != words.end()) {
              config.*member = found->second;
            } else {
              reader.complain(node, where, ErrorCode::kConfig, "\"" + node.scalar + "\" is not one of its words",
                              range);
            }
          }};
}

template <class Value, class Get>
Definition quantity(std::string key, std::string type, Result<Value> (*parse)(std::string_view), std::string fallback,
                    std::string doc, Get get) {
  return {std::move(key),
          type,
          "",
          std::move(fallback),
          std::move(doc),
          [parse, type, get](Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
            auto word = textOf(node, where, reader, type);
            if (!word) return;
            if (auto value = parse(*word)) {
              get(config) = *value;
            } else {
              reader.complain(node, where, value.error().code, value.error().what, value.error().remedy);
            }
          }};
}

void readSocketMode(Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
  std::int64_t mode = 0;
  const bool octal = node.kind == Kind::kScalar && node.scalar.size() == 4 && node.scalar.front() == '0' &&
                     std::ranges::all_of(node.scalar, [](char c) { return c >= '0' && c <= '7'; });
  for (char c : node.scalar) mode = mode * 8 + (c - '0');
  if (octal && (mode & 0007) == 0) {
    config.socketMode = mode;
  } else {
    reader.complain(node, where, ErrorCode::kConfig, "\"" + node.scalar + "\" is not a mode for the socket",
                    "four octal digits with nothing for others, such as \"0660\"");
  }
}

void readModelKey(ModelSource& source, const YamlNode::Entry& entry, Path where, ConfigReader& reader) {
  const std::string path = where + "." + entry.key;
  auto value = [&] { return textOf(entry.value, path, reader, "text").value_or(""); };
  if (entry.key == "driver") {
    source.driver = value();
  } else if (entry.key == "script") {
    source.script = absolutePath(value(), reader.directory);
  } else if (entry.key == "base_url") {
    source.baseUrl = value();
  } else if (entry.key == "key_file") {
    source.keyFile = value().starts_with("credential:") ? value() : absolutePath(value(), reader.directory);
  } else if (entry.key == "models") {
    source.models = listOf(entry.value, path, reader, "model names");
  } else {
    YamlNode at;
    at.mark = entry.mark;
    reader.complain(at, path, ErrorCode::kConfig, "unknown key",
                    "known here: driver, script, base_url, key_file, models");
  }
}

void checkModel(const ModelSource& source, const YamlNode& node, Path where, ConfigReader& reader) {
  auto complain = [&](std::string what, std::string remedy) {
    reader.complain(node, where, ErrorCode::kConfig, std::move(what), std::move(remedy));
  };
  if (source.driver != "scripted" && source.driver != "openai") {
    complain("driver \"" + source.driver + "\" is not known", "scripted or openai");
  } else if (source.driver == "scripted" && source.script.empty()) {
    complain("a scripted source has no script", "script: FILE");
  } else if (source.driver == "openai" && source.baseUrl.empty()) {
    complain("an openai source has no endpoint", "base_url: http://host:port/v1");
  } else if (source.driver == "openai" && source.models.empty()) {
    complain("an openai source names no models", "models: [name]");
  }
}

void readModels(Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
  config.models.clear();
  if (node.kind != Kind::kList) {
    return reader.complain(node, where, ErrorCode::kConfig, "must be a list of sources", "- driver: scripted …");
  }
  for (std::size_t index = 0; index < node.items.size(); ++index) {
    const YamlNode& item = node.items[index];
    const std::string path = where + "[" + std::to_string(index) + "]";
    ModelSource source;
    for (const auto& entry : item.entries) readModelKey(source, entry, path, reader);
    checkModel(source, item, path, reader);
    config.models.push_back(std::move(source));
  }
}

void readPriceKey(models::Price& price, const YamlNode::Entry& entry, Path where, ConfigReader& reader) {
  const std::string path = where + "." + entry.key;
  MicroUsd* slot = entry.key == "input"          ? &price.inputPerMillion
                   : entry.key == "output"       ? &price.outputPerMillion
                   : entry.key == "cached_input" ? &price.cachedInputPerMillion
                                                 : nullptr;
  if (slot == nullptr) {
    YamlNode at;
    at.mark = entry.mark;
    return reader.complain(at, path, ErrorCode::kConfig, "unknown key", "known here: input, output, cached_input");
  }
  auto amount = parseUsd(entry.value.scalar);
  if (amount) {
    *slot = *amount;
  } else {
    reader.complain(entry.value, path, amount.error().code, amount.error().what, amount.error().remedy);
  }
}

void readPrices(Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
  config.prices.clear();
  if (node.kind == Kind::kNull) return;
  if (node.kind != Kind::kMap) {
    return reader.complain(node, where, ErrorCode::kConfig, "must be a map from models to prices",
                           "\"local/*\": { input: 0.10, output: 0.40 }");
  }
  for (const auto& entry : node.entries) {
    PriceRule rule{entry.key, {}};
    const std::string path = where + "." + entry.key;
    const bool cached = entry.value.find("cached_input") != nullptr;
    for (const auto& key : entry.value.entries) readPriceKey(rule.price, key, path, reader);
    if (!cached) rule.price.cachedInputPerMillion = rule.price.inputPerMillion;
    config.prices.push_back(std::move(rule));
  }
}

std::vector<Definition> makeModelDefinitions() {
  return {
      {"models", "list of sources", "driver: scripted, openai", "[]",
       "where models come from; scripted: `script`; openai: `base_url`, `key_file`, `models`", readModels},
      {"prices", "map", "", "{}",
       "US dollars for a million tokens, by model pattern: `input`, `output`, `cached_input`", readPrices},
  };
}

void readEgressPrivate(Config& config, const YamlNode& node, Path where, ConfigReader& reader) {
  config.policy.egressPrivate = listOf(node, where, reader, "ranges");
  for (const auto& text : config.policy.egressPrivate) {
    if (IpRange::parse(text)) continue;
    reader.complain(node, where, ErrorCode::kConfig, "\"" + text + "\" is no range of addresses",
                    "such as 10.0.0.0/8 or fd00::/8, with zeros behind the prefix");
  }
}

std::vector<Definition> makePolicyDefinitions() {
  return {
      boolean("policy.allow_unlimited_without_controllers", "false",
              "a contract with `binding: flexible` may run without a limit whose cgroup controller this machine lacks",
              [](Config& c) -> bool& { return c.policy.allowUnlimitedWithoutControllers; }),
      integer("policy.overcommit_cpu", 100, 100000, "1000",
              "percent of the machine's cores that the contracts of running agents may demand together (`compute.cpu`)",
              [](Config& c) -> auto& { return c.policy.overcommitCpu; }),
      integer("policy.overcommit_mem", 1, 100000, "100",
              "percent of the machine's memory that they may demand together (`compute.mem`)",
              [](Config& c) -> auto& { return c.policy.overcommitMem; }),
      list("policy.programs", "patterns", "[\"/bin/*\", \"/usr/*\", \"/runtime/*\", \"/workspace/*\"]",
           "programs that a company's contract may run (`run.command[0]`)",
           [](Config& c) -> auto& { return c.policy.programs; }),
      list("policy.mounts", "paths", "[]",
           "absolute host paths (with what lies below) that a company's contract may mount",
           [](Config& c) -> auto& { return c.policy.mounts; }),
      list("policy.egress", "patterns", "[]", "host:port patterns that a company's contract may reach",
           [](Config& c) -> auto& { return c.policy.egress; }),
      {"policy.egress_private", "list of ranges", "addresses, or ranges such as 10.0.0.0/8", "[]",
       "addresses beyond the public internet that the egress proxy may connect to, when a contract's rule names them",
       readEgressPrivate},
      list("policy.secrets", "patterns", "[]", "secrets that a company's contract may name",
           [](Config& c) -> auto& { return c.policy.secrets; }),
  };
}

// A part of the kernel's window of two seconds.
void checkStall(const Nanoseconds& stall, const YamlNode& node, Path where, ConfigReader& reader) {
  if (stall >= std::chrono::milliseconds(1) && stall <= std::chrono::seconds(2)) return;
  reader.complain(node, where, ErrorCode::kConfig, "\"" + node.scalar + "\" is no part of two seconds", "1ms to 2s");
}

Definition stall(std::string key, Nanoseconds Config::* member, std::string fallback, std::string doc) {
  auto definition = quantity<Nanoseconds>(std::move(key), "duration", parseDuration, std::move(fallback),
                                          std::move(doc), [member](Config& c) -> auto& { return c.*member; });
  definition.range = "1ms … 2s";
  definition.read = [member, read = definition.read](Config& c, const YamlNode& node, Path where,
                                                     ConfigReader& reader) {
    const auto before = reader.problems.size();
    read(c, node, where, reader);
    if (reader.problems.size() == before) checkStall(c.*member, node, where, reader);
  };
  return definition;
}

std::vector<Definition> makePreemptionDefinitions() {
  return {
      boolean("preempt.enabled", "true",
              "agents of class DT are frozen while the machine is under pressure, where the kernel tells of it",
              [](Config& c) -> bool& { return c.preempt; }),
      stall("preempt.memory", &Config::preemptMemory, "400ms",
            "how long tasks must have waited for memory in 2s for one to be frozen"),
      stall("preempt.cpu", &Config::preemptCpu, "1s",
            "the same for processors; only where an agent of class HRT or SRT runs"),
      quantity<Nanoseconds>("preempt.calm", "duration", parseDuration, "10s",
                            "how long the pressure must be away before they go on, one a second",
                            [](Config& c) -> auto& { return c.preemptCalm; }),
      quantity<Nanoseconds>("preempt.longest", "duration", parseDuration, "1m",
                            "the longest that one stays frozen; it is then left alone for as long",
                            [](Config& c) -> auto& { return c.preemptLongest; }),
  };
}

std::vector<Definition> makeOwnDefinitions() {
  return {
      text("user", &Config::user, "agentd", "whom the daemon runs as; it must exist and must not be root"),
      path("company", &Config::company, "the company directory; `--company` wins"),
      list("contracts", "paths", "[]", "directories of root's contracts; empty: PREFIX/etc/agents; `--contracts` wins",
           [](Config& c) -> auto& { return c.contracts; }),
      path("runtime", &Config::runtime,
           "the runtime side for companies without a `runtime` link; empty: what ships with agentd"),
      {"socket.mode", "octal", "nothing for others", "\"0660\"", "mode of PREFIX/run/agentd/agentd.sock",
       readSocketMode},
      text("socket.group", &Config::socketGroup, "\"\"", "group of the socket; empty: the user's own"),
      text("socket.admin_group", &Config::adminGroup, "agentd-admin", "members may do everything"),
      word("log.format", &Config::logFormat,
           std::vector<std::pair<std::string, LogFormat>>{{"auto", LogFormat::kAuto},
                                                          {"text", LogFormat::kText},
                                                          {"json", LogFormat::kJson},
                                                          {"journal", LogFormat::kJournal}},
           "how the daemon logs; auto: to the journal under systemd, else as text to stderr"),
      word("log.level", &Config::logLevel,
           std::vector<std::pair<std::string, std::string>>{
               {"info", "info"}, {"trace", "trace"}, {"debug", "debug"}, {"warn", "warn"}, {"error", "err"}},
           "what is too small is left out"),
      word("stop.agents", &Config::stopAgents,
           std::vector<std::pair<std::string, StopAgents>>{{"stop", StopAgents::kStop}, {"keep", StopAgents::kKeep}},
           "what a clean stop does with running agents; kept ones are taken over at the next start"),
      quantity<Nanoseconds>("stop.grace", "duration", parseDuration, "10s",
                            "how long running cycles may go on after a stop was asked for",
                            [](Config& c) -> auto& { return c.stopGrace; }),
      integer("limits.concurrent_cycles", 1, 100000, "8", "cycles that run at the same time",
              [](Config& c) -> auto& { return c.concurrentCycles; }),
      integer("limits.model_calls", 1, 100000, "64",
              "model calls under way at the same time; more wait, those of HRT and SRT agents before those of DT",
              [](Config& c) -> auto& { return c.modelCalls; }),
      integer("limits.records_kept", 0, 1000000, "200", "records and logs of ended instances that are kept",
              [](Config& c) -> auto& { return c.recordsKept; }),
      quantity<Bytes>("limits.log_rotate_at", "size", parseBytes, "16MiB", "size at which an instance's log is rotated",
                      [](Config& c) -> auto& { return c.logRotateAt; }),
      integer("limits.log_keep", 0, 1000, "4", "rotated logs kept beside the live one",
              [](Config& c) -> auto& { return c.logKeep; }),
      {"spawner", "map", "", "", "root's policy for agentd-spawner: docs/security.md; read by the spawner",
       [](Config& c, const YamlNode&, Path, ConfigReader&) { c.hasSpawnerPolicy = true; }},
      boolean("services.start", "true", "agents with `run.mode: service` are started with the daemon",
              [](Config& c) -> bool& { return c.startServices; }),
  };
}

}  // namespace

void ConfigReader::complain(const YamlNode& node, const std::string& where, ErrorCode code, std::string what,
                            std::string remedy) {
  problems.push_back({file, node.mark, where, code, std::move(what), std::move(remedy)});
}

std::span<const Definition> definitions() {
  static const std::vector<Definition> kTable = [] {
    auto table = makeOwnDefinitions();
    for (auto& one : makePreemptionDefinitions()) table.push_back(std::move(one));
    for (auto& one : makeModelDefinitions()) table.push_back(std::move(one));
    for (auto& one : makePolicyDefinitions()) table.push_back(std::move(one));
    return table;
  }();
  return kTable;
}

std::string configReference() {
  std::string text = "| key | type | range | default | meaning |\n|---|---|---|---|---|\n";
  for (const auto& one : definitions()) {
    const std::string fallback = one.fallback.empty() ? "" : "`" + one.fallback + "`";
    text += "| `" + one.key + "` | " + one.type + " | " + one.range + " | " + fallback + " | " + one.doc + " |\n";
  }
  return text;
}

}  // namespace agentos::agentd
