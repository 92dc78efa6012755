// SPDX-License-Identifier: Apache-2.0
// What a run changed in trees of mode overlay: shown, committed, thrown away. A task that waits for review is accepted
// with its changes (tasks.cpp).
#include "agentd/api/routes.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

Error none(const std::string& what) {
  return fail(ErrorCode::kNotFound, what + " has no changes that are kept apart",
              "a mount of mode overlay makes such, until they are committed or discarded")
      .error();
}

asio::awaitable<Response> show(const ApiServices& api, RequestPtr request) {
  auto id = findRun(api, request->parameter("id"));
  if (!id) co_return askAgain(id.error());
  auto found = co_await api.overlays->show(*id);
  co_return http::answer(found, [](const Json& changes) { return http::json(changes); });
}

asio::awaitable<Response> showOfTask(const ApiServices& api, RequestPtr request) {
  auto task = TaskId::parse(request->parameter("id"));
  if (!task) co_return http::problem(task.error());
  auto run = api.overlays->heldFor(*task);
  if (!run) co_return http::problem(none(task->str()));
  auto found = co_await api.overlays->show(*run);
  co_return http::answer(found, [](const Json& changes) { return http::json(changes); });
}

asio::awaitable<Response> commit(const ApiServices& api, RequestPtr request) {
  auto id = findRun(api, request->parameter("id"));
  if (!id) co_return askAgain(id.error());
  auto done = co_await api.overlays->commit(*id, actorOf(*request));
  co_return http::answer(done, [](const Json& committed) { return http::json(committed); });
}

Response discard(const ApiServices& api, const http::Request& request) {
  auto id = findRun(api, request.parameter("id"));
  if (!id) return askAgain(id.error());
  if (auto done = api.overlays->discard(*id, actorOf(request)); !done) return http::problem(done.error());
  return http::json({{"id", id->str()}, {"discarded", true}});
}

}  // namespace

void addChangeRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  using Work = asio::awaitable<Response> (*)(const ApiServices&, RequestPtr);
  auto waiting = [&api](Work work) {
    return [&api, work](RequestPtr request, Stream&) -> asio::awaitable<Response> {
      if (!api.overlays) co_return http::problem(none("this agentd"));
      co_return co_await work(api, std::move(request));
    };
  };
  router.add({"GET", "/v1/agents/{id}/changes", kMember, waiting(show)});
  router.add({"POST", "/v1/agents/{id}/commit", kAdmin, waiting(commit)});
  router.add({"POST", "/v1/agents/{id}/discard", kAdmin, plainly([&api](const http::Request& request) {
                return api.overlays ? discard(api, request) : http::problem(none("this agentd"));
              })});
  router.add({"GET", "/v1/tasks/{id}/changes", kMember, waiting(showOfTask)});
}

}  // namespace agentos::agentd
