// SPDX-License-Identifier: Apache-2.0
#include "agentd/http/message.h"

#include <gtest/gtest.h>

#include "agentd/api/roles.h"
#include "agentd/http/problem.h"
#include "agentd/http/router.h"

namespace agentos::agentd::http {
namespace {

TEST(Query, IsDecoded) {
  auto query = parseQuery("a=1&b=%C3%A4+x&c&=d");
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (Fields{{"a", "1"}, {"b", "ä x"}, {"c", ""}, {"", "d"}}));
  EXPECT_FALSE(parseQuery("a=%4"));
  EXPECT_FALSE(parseQuery("a=%00"));
  EXPECT_FALSE(parseQuery("a=%ff"));
  EXPECT_EQ(*decodePercent("a+b"), "a+b");
}

TEST(Router, FindsByMethodAndPieces) {
  Router router;
  router.add({"GET", "/v1/agents/{id}", Access::kMember, {}});
  router.add({"POST", "/v1/agents/{id}/pause", Access::kAdmin, {}});
  router.add({"GET", "/v1/agents", Access::kMember, {}});
  auto one = router.find("GET", "/v1/agents/maker%2F1");
  ASSERT_TRUE(one && one->route);
  EXPECT_EQ(one->parameters, (Fields{{"id", "maker/1"}}));
  EXPECT_EQ(router.find("HEAD", "/v1/agents")->route->pattern, "/v1/agents");
  auto wrong = router.find("GET", "/v1/agents/x/pause");
  EXPECT_EQ(wrong->route, nullptr);
  EXPECT_EQ(wrong->allowed, std::vector<std::string>{"POST"});
  EXPECT_TRUE(router.find("GET", "/v1/agents/")->allowed.empty());
  EXPECT_TRUE(router.find("GET", "/v1/agents/x/pause/y")->allowed.empty());
  EXPECT_FALSE(router.find("GET", "/v1/%"));
}

TEST(Problem, SaysWhatAndWhatWouldBeRight) {
  Error error{ErrorCode::kBudgetExhausted, "per_run_usd is used up", "wait", 0, {"chat"}};
  Json document = problemJson(error);
  EXPECT_EQ(document["type"], "urn:agentos:error:budget.exhausted");
  EXPECT_EQ(document["status"], 429);
  EXPECT_EQ(document["code"], "budget.exhausted");
  EXPECT_EQ(document["detail"], "chat: per_run_usd is used up");
  EXPECT_EQ(document["remedy"], "wait");
}

TEST(Problem, EveryCodeHasAStatusThatIsAnError) {
  for (const auto& info : allErrorCodes())
    EXPECT_GE(problem(Error{info.code, "x", "", 0, {}}).status, 400) << info.name;
}

TEST(Body, UnknownMembersAreRefusedWithTheLikelyOne) {
  auto refused = refuseUnknown(Json{{"tilte", "x"}}, {"title", "body"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().remedy, "did you mean \"title\"?");
  EXPECT_FALSE(requiredString(Json{{"title", 5}}, "title"));
  EXPECT_FALSE(requiredString(Json::object(), "title"));
  Request request;
  request.body = "[1]";
  EXPECT_FALSE(bodyObject(request));
  request.body = " ";
  EXPECT_TRUE(bodyObject(request)->empty());
}

TEST(Roles, AreTheKernelsWord) {
  RoleConfig roles;
  roles.adminGroup = 900;
  roles.workGroup = 901;
  roles.adminUids = {700};
  auto peer = [](uid_t uid, gid_t gid, std::vector<gid_t> groups = {}) {
    return Peer{.known = true, .pid = 1, .uid = uid, .gid = gid, .groups = std::move(groups)};
  };
  EXPECT_EQ(roleOf(peer(0, 0), roles), Role::kAdmin);
  EXPECT_EQ(roleOf(peer(700, 1), roles), Role::kAdmin);
  EXPECT_EQ(roleOf(peer(1000, 900), roles), Role::kAdmin);
  EXPECT_EQ(roleOf(peer(1000, 1, {5, 900}), roles), Role::kAdmin);
  EXPECT_EQ(roleOf(peer(1000, 1, {901}), roles), Role::kMember);
  EXPECT_EQ(roleOf(peer(1000, 1, {5}), roles), Role::kNone);
  EXPECT_EQ(roleOf(Peer{}, roles), Role::kNone);  // uid 0 by default, but not known
  EXPECT_EQ(roleOf(peer(1000, 901), RoleConfig{}), Role::kNone);
}

}  // namespace
}  // namespace agentos::agentd::http
