// SPDX-License-Identifier: Apache-2.0
#include "models/registry.h"

#include <gmock/gmock.h>

#include <boost/asio/awaitable.hpp>

namespace agentos::models {
namespace {

using testing::HasSubstr;
using Allow = std::vector<std::string>;

class NamedDriver final : public ModelDriver {
 public:
  explicit NamedDriver(std::vector<std::string> names) : names_(std::move(names)) {}
  std::vector<std::string> models() const override { return names_; }
  boost::asio::awaitable<Result<ChatAnswer>> complete(ChatRequest, ChunkSink, Usage&) override {
    co_return ChatAnswer{};
  }

 private:
  std::vector<std::string> names_;
};

ModelSpec spec(std::string name, std::string upstream = {}) {
  return {.name = std::move(name), .upstream = std::move(upstream), .price = {}};
}

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    add({spec("local/llama", "llama3.1:8b"), spec("local/qwen")});
    add({spec("cloud/sonnet"), spec("cloud/qwen")});
  }
  void add(std::vector<ModelSpec> specs) {
    std::vector<std::string> names;
    for (const auto& one : specs) names.push_back(one.name);
    EXPECT_TRUE(registry.add(std::make_unique<NamedDriver>(names), specs));
  }
  std::string chosen(const Allow& allow, std::string_view requested) {
    const auto choice = registry.resolve(allow, requested);
    return choice ? choice->spec.name : "none";
  }
  ModelRegistry registry;
};

TEST_F(RegistryTest, AutoIsTheFirstAllowedThatIsServed) {
  EXPECT_EQ(chosen({"cloud/*", "local/*"}, ""), "cloud/sonnet");
  EXPECT_EQ(chosen({"gone/*", "local/*"}, "auto"), "local/llama");
  EXPECT_EQ(chosen({"*"}, "auto"), "local/llama");
}

TEST_F(RegistryTest, AnExactNameOrItsLastPartWithinWhatIsAllowed) {
  EXPECT_EQ(chosen({"*"}, "cloud/sonnet"), "cloud/sonnet");
  EXPECT_EQ(chosen({"*"}, "sonnet"), "cloud/sonnet");
  EXPECT_EQ(chosen({"*"}, "qwen"), "none");  // two have that last part
  EXPECT_EQ(chosen({"cloud/*"}, "qwen"), "cloud/qwen");
  EXPECT_EQ(chosen({"local/*"}, "cloud/sonnet"), "none");
  EXPECT_EQ(chosen({}, "auto"), "none");
  EXPECT_EQ(registry.resolve(Allow{"*"}, "llama")->spec.upstream, "llama3.1:8b");
  EXPECT_EQ(registry.resolve(Allow{"*"}, "sonnet")->spec.upstream, "sonnet");
}

TEST_F(RegistryTest, TheRefusalSaysWhatIsAllowed) {
  const auto refused = registry.resolve(Allow{"local/*"}, "gpt-4o").error();
  EXPECT_EQ(refused.code, ErrorCode::kModelUnknown);
  EXPECT_THAT(refused.what, HasSubstr("'gpt-4o'"));
  EXPECT_THAT(refused.remedy, HasSubstr("local/llama, local/qwen"));
  const auto nobody = registry.resolve(Allow{"gone/*"}, "auto").error();
  EXPECT_THAT(nobody.what, HasSubstr("gone/*"));
  EXPECT_THAT(nobody.remedy, HasSubstr("local/llama, local/qwen, cloud/sonnet, cloud/qwen"));
}

TEST_F(RegistryTest, RefusesTwoOfOneNameAndWhatADriverDoesNotServe) {
  EXPECT_EQ(registry.add(std::make_unique<NamedDriver>(Allow{"local/llama"}), {spec("local/llama")}).error().code,
            ErrorCode::kExists);
  EXPECT_EQ(registry.add(std::make_unique<NamedDriver>(Allow{"a/b"}), {spec("a/c")}).error().code, ErrorCode::kConfig);
}

}  // namespace
}  // namespace agentos::models
