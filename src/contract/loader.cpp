// SPDX-License-Identifier: Apache-2.0
#include "contract/loader.h"

#include <algorithm>
#include <tuple>

#include "base/digest.h"
#include "base/files.h"
#include "base/text.h"
#include "contract/rules.h"
#include "contract/schema.h"

namespace agentos::contract {
namespace {

using Problems = std::vector<YamlProblem>;

constexpr std::size_t kMaxProblems =
    100;  // nobody reads more, and a hostile file could have one for each of its values

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

// Where else a key that is unknown here would be right: "cpu" belongs in "compute".
const Field* findElsewhere(std::string_view key) {
  const auto found = std::ranges::find(fields(), key, [](const Field& field) { return keyOf(field.path); });
  return found == fields().end() || found->path.contains("[]") ? nullptr : &*found;
}

std::string remedyForUnknown(std::string_view key, const std::vector<const Field*>& siblings) {
  std::vector<std::string_view> names;
  names.reserve(siblings.size());
  for (const Field* field : siblings) names.push_back(keyOf(field->path));
  if (const auto near = didYouMean(key, names)) return "did you mean " + *near + "?";
  if (const Field* other = findElsewhere(key)) return "did you mean " + std::string(other->path) + "?";
  return "one of " + join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

// Reads a tree by the table of fields.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  void read(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMap) {
      add(root.mark, "", ErrorCode::kContractType,
          root.kind == YamlNode::Kind::kNull ? "the file is empty" : "the file is not a map of keys",
          "apiVersion: agentos/v0.2, kind: AgentContract, name: and what docs/contract.md names");
      return;
    }
    readMap(root, root.mark, "", "");
    finish();
    checkRules(reading_, [&](const std::string& path, ErrorCode code, std::string what, std::string remedy) {
      add(placeOf(path), path, code, std::move(what), std::move(remedy));
    });
  }

  Problems takeProblems() {
    std::ranges::sort(problems_, [](const YamlProblem& a, const YamlProblem& b) {
      return std::tie(a.mark.line, a.mark.column, a.path, a.what) <
             std::tie(b.mark.line, b.mark.column, b.path, b.what);
    });
    if (more_)
      problems_.push_back({file_, problems_.back().mark, "", problems_.back().code, "and more", "mend these first"});
    return std::move(problems_);
  }
  Contract takeContract() { return std::move(reading_.contract); }

 private:
  void add(YamlMark mark, std::string path, ErrorCode code, std::string what, std::string remedy) {
    if (isFull()) {
      more_ = true;
    } else {
      problems_.push_back({file_, mark, std::move(path), code, std::move(what), std::move(remedy)});
    }
  }
  bool isFull() const { return problems_.size() == kMaxProblems; }

  // `schemaPath` has [] where `path` has the number of an item.
  void readMap(const YamlNode& map, YamlMark mark, const std::string& path, const std::string& schemaPath) {
    const auto known = childrenOf(schemaPath);
    for (const auto& entry : map.entries) {
      const std::string here = joined(path, entry.key);
      const auto field =
          std::ranges::find(known, entry.key, [](const Field* candidate) { return keyOf(candidate->path); });
      if (field == known.end()) {
        add(entry.mark, here, ErrorCode::kContractUnknownKey, "there is no such key",
            isFull() ? "" : remedyForUnknown(entry.key, known));
      } else {
        note(here, schemaPath, entry.mark);
        readField(**field, entry.value, here);
      }
    }
    for (const Field* field : known) {
      if (field->required && map.find(keyOf(field->path)) == nullptr) {
        add(mark, joined(path, keyOf(field->path)), ErrorCode::kContractMissing, "this key is required",
            describe(field->shape));
      }
    }
  }

  void note(const std::string& path, const std::string& schemaPath, YamlMark mark) {
    reading_.places[path] = mark;
    if (!schemaPath.contains("[]")) reading_.contract.demands.insert(path);
  }

  void readField(const Field& field, const YamlNode& value, const std::string& path) {
    const auto complaints = complaintsOf(field.shape, value);
    for (const Complaint& complaint : complaints) {
      add(complaint.mark, path + complaint.at, complaint.code, complaint.what, complaint.remedy);
    }
    if (!complaints.empty()) {
      reading_.broken.insert(path);
    } else if (field.shape.kind == Kind::kMap) {
      readMap(value, value.mark, path, std::string(field.path));
    } else if (field.shape.kind == Kind::kMapList || field.shape.kind == Kind::kMixedList) {
      readMapList(field, value, path);
    } else {
      field.set(reading_.contract, value);
    }
  }

  void readMapList(const Field& field, const YamlNode& list, const std::string& path) {
    for (std::size_t at = 0; at < list.items.size(); ++at) {
      field.set(reading_.contract, list.items[at]);
      if (list.items[at].kind != YamlNode::Kind::kMap) continue;
      readMap(list.items[at], list.items[at].mark, path + "[" + std::to_string(at) + "]",
              std::string(field.path) + "[]");
    }
  }

  // A key that is not written is reported at what it would stand in.
  YamlMark placeOf(std::string path) const {
    for (; !path.empty(); path = std::string(parentOf(path))) {
      if (const auto found = reading_.places.find(path); found != reading_.places.end()) return found->second;
    }
    return {};
  }

  // What is fixed by the form of the file, and the defaults that depend on other fields.
  void finish() {
    Contract& contract = reading_.contract;
    contract.apiVersion = "agentos/v0.2";
    if (!contract.isDemanded("run.verdict"))
      contract.run.verdict = contract.run.command.empty() ? Verdict::kApi : Verdict::kExit;
  }

  std::string file_;
  Reading reading_;
  Problems problems_;
  bool more_ = false;
};

// What the file says, apart from order, layout and comments: plain integers and booleans as such, the rest as text.
Json jsonOf(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return {};
    case YamlNode::Kind::kScalar:
      if (const auto boolean = node.asBool()) return *boolean;
      if (const auto integer = node.asInt()) return *integer;
      return node.scalar;
    case YamlNode::Kind::kList: {
      Json list = Json::array();
      for (const YamlNode& item : node.items) list.push_back(jsonOf(item));
      return list;
    }
    case YamlNode::Kind::kMap: {
      Json map = Json::object();
      for (const auto& entry : node.entries) map[entry.key] = jsonOf(entry.value);
      return map;
    }
  }
  return {};
}

}  // namespace

std::expected<Contract, Problems> loadContract(std::string_view text, const std::string& file) {
  auto root = parseYaml(text, file);
  if (!root) return std::unexpected(std::move(root).error());
  Reader reader(file);
  reader.read(*root);
  if (auto problems = reader.takeProblems(); !problems.empty()) return std::unexpected(std::move(problems));
  auto canonical = canonicalJson(jsonOf(*root));
  if (!canonical) {
    return std::unexpected(
        Problems{{file, {}, "", canonical.error().code, canonical.error().what, canonical.error().remedy}});
  }
  Contract contract = reader.takeContract();
  contract.digest = sha256(*canonical);
  return contract;
}

std::expected<Contract, Problems> loadContractFile(const std::string& path) {
  const auto text = readPath(path, 1 << 20);
  if (text) return loadContract(*text, path);
  const Error& error = text.error();
  return std::unexpected(Problems{{path, {}, "", error.code, error.message(), "a readable file of at most 1 MiB"}});
}

Json toJson(const Contract& contract) {
  Json whole = Json::object();
  for (const Field& field : fields()) {
    if (field.get == nullptr || field.path.contains("[]")) continue;
    Json value = field.get(contract);
    if (value.is_null()) continue;  // not set, and without a default
    Json* place = &whole;
    for (std::string_view key : split(field.path, '.')) place = &(*place)[std::string(key)];
    *place = std::move(value);
  }
  return whole;
}

}  // namespace agentos::contract
