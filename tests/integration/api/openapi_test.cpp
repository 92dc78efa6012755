// SPDX-License-Identifier: Apache-2.0
// docs/openapi.json against the server: the same routes in both, and every GET answers in the shape it describes.
#include <algorithm>
#include <set>

#include "world.h"

namespace agentos::agentd::test {
namespace {

// As much of JSON Schema as the document uses; the faults found, each with its place.
class Shape {
 public:
  explicit Shape(const Json& document) : document_(document) {}
  void check(const Json& schema, const Json& value, const std::string& where) {
    if (schema.contains("$ref")) return check(resolve(schema["$ref"]), value, where);
    for (const Json& part : schema.value("allOf", Json::array())) check(part, value, where);
    if (schema.contains("oneOf")) return checkOneOf(schema["oneOf"], value, where);
    if (schema.contains("type") && !hasType(schema["type"], value)) {
      faults.push_back(where + ": is " + dumpJson(value).substr(0, 60) + ", not " + dumpJson(schema["type"]));
      return;
    }
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end())
      faults.push_back(where + ": " + dumpJson(value) + " is not in the enum");
    if (value.is_object()) checkMembers(schema, value, where);
    if (value.is_array() && schema.contains("items")) {
      for (std::size_t i = 0; i < value.size(); ++i)
        check(schema["items"], value[i], where + "[" + std::to_string(i) + "]");
    }
  }
  const Json& resolve(const std::string& ref) const { return document_.at(Json::json_pointer(ref.substr(1))); }
  std::vector<std::string> faults;

 private:
  void checkOneOf(const Json& choices, const Json& value, const std::string& where) {
    for (const Json& choice : choices) {
      Shape attempt(document_);
      attempt.check(choice, value, where);
      if (attempt.faults.empty()) return;
    }
    faults.push_back(where + ": fits none of oneOf");
  }
  void checkMembers(const Json& schema, const Json& value, const std::string& where) {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) faults.push_back(where + ": lacks " + name.get<std::string>());
    }
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, member] : value.items()) {
      if (properties.contains(name)) check(properties[name], member, where + "." + name);
    }
  }
  static bool hasType(const Json& type, const Json& value) {
    if (type.is_array()) return std::ranges::any_of(type, [&](const Json& one) { return hasType(one, value); });
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_number_integer();
    if (type == "boolean") return value.is_boolean();
    if (type == "array") return value.is_array();
    if (type == "null") return value.is_null();
    return type == "object" && value.is_object();
  }
  const Json& document_;
};

class OpenApi : public World {
 protected:
  OpenApi() : document(ask("GET", "/openapi.json").json()) {}
  Json document;
};

TEST_F(OpenApi, IsTheFileOfThisTree) {
  std::ifstream file(AGENTOS_SOURCE_DIR "/docs/openapi.json");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(ask("GET", "/openapi.json").body, text);
}

TEST_F(OpenApi, DescribesEveryRouteAndNoOther) {
  std::set<std::pair<std::string, std::string>> described, routed;
  for (const auto& [path, item] : document["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      std::string upper = method;
      std::ranges::transform(upper, upper.begin(),
                             [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
      described.emplace(upper, path);
    }
  }
  for (auto& route : api->routes()) routed.insert(route);
  EXPECT_EQ(described, routed);
}

TEST_F(OpenApi, RefersToNothingThatIsNotThere) {
  Shape shape(document);
  std::function<void(const Json&)> walk = [&](const Json& node) {
    if (node.is_object() && node.contains("$ref"))
      EXPECT_NO_THROW(static_cast<void>(shape.resolve(node["$ref"]))) << node;
    if (node.is_structured()) {
      for (const Json& child : node) walk(child);
    }
  };
  walk(document);
}

// The access that the document says is the access that a stranger meets.
TEST_F(OpenApi, EveryGetAnswersInItsShape) {
  loop.run([&] {
    auto& ended =
        supervisor->add("maker.aaaaaa", State::kExited, std::make_shared<const contract::Contract>(contractOf()));
    ended.exit.emplace();
    ended.exit->code = 3;
    supervisor->add("maker.bbbbbb", State::kRunning);
    supervisor->views.begin()->second = ended;
    return 0;
  });
  std::filesystem::create_directory(root + "/log/maker.aaaaaa");
  auto room = openRoom("other.cccccc");
  RawClient(room).ask("POST", "/v1/chat/completions", dumpJson(chat("test/good", false)));
  auto task = ask("POST", "/v1/tasks", {{"title", "x"}, {"tags", {"a"}}, {"not_before", "2026-01-01T00:00:00Z"}})
                  .json()["id"]
                  .get<std::string>();
  ask("POST", "/v1/messages", {{"to", "maker"}, {"subject", "x"}});
  int checked = 0;
  for (const auto& [pattern, item] : document["paths"].items()) {
    if (!item.contains("get") || pattern == "/v1/events") continue;
    std::string path = pattern;
    for (auto [name, value] :
         {std::pair<std::string, std::string>{"{id}", pattern.starts_with("/v1/tasks") ? task : "maker.aaaaaa"},
          {"{name}", "maker"}}) {
      if (auto at = path.find(name); at != std::string::npos) path.replace(at, name.size(), value);
    }
    auto answer = ask("GET", path + (pattern == "/v1/agents" ? "?all=1" : ""));
    ASSERT_EQ(answer.status, 200) << path << ": " << answer.body;
    const Json& content = item["get"]["responses"]["200"]["content"];
    std::string type = answer.header("content-type").substr(0, answer.header("content-type").find(';'));
    ASSERT_TRUE(content.contains(type)) << path << " answers " << type;
    if (type != "application/json") continue;
    Shape shape(document);
    shape.check(content[type]["schema"], answer.json(), path);
    for (const auto& fault : shape.faults) ADD_FAILURE() << fault;
    ++checked;
  }
  EXPECT_GT(checked, 15);
  Shape shape(document);
  shape.check(document["components"]["schemas"]["Problem"], ask("GET", "/v1/agents/nobody").json(), "problem");
  EXPECT_TRUE(shape.faults.empty());
  shape.check(document["components"]["schemas"]["Instance"], Json{{"id", 5}}, "a wrong one");
  EXPECT_GT(shape.faults.size(), 3U);  // the checker can fail
}

}  // namespace
}  // namespace agentos::agentd::test
