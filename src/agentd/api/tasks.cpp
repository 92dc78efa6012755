// SPDX-License-Identifier: Apache-2.0
// /v1/tasks and /v1/messages: the company's queue and mail, as people work them.
#include "agentd/api/routes.h"
#include "agentd/api/views.h"
#include "company/messages.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using company::TaskStatus;
using http::Request;
using http::RequestPtr;
using http::Response;
namespace {

// In records, whoever comes through the API is a person; the audit log has the uid.
constexpr std::string_view kPerson = "human";

Response noCompany() {
  return http::problem(
      {ErrorCode::kUnavailable, "this agentd runs without a company", "start agentd with --company DIR", 0, {}});
}

Response list(const ApiServices& api, const Request& request) {
  std::optional<TaskStatus> status;
  if (auto word = request.queryValue("status"); word && !word->empty()) {
    status = company::findTaskStatus(*word);
    if (!status) {
      return http::problem({ErrorCode::kInvalidArgument,
                            "?status=" + std::string(*word),
                            "backlog, queued, in-progress, in-review, done, failed or declined",
                            0,
                            {}});
    }
  }
  auto tasks = api.queue->list(status);
  if (!tasks) return http::problem(tasks.error());
  std::string_view assigned = request.queryValue("assigned_to").value_or("");
  std::vector<Listed> items;
  for (company::Task& task : *tasks) {
    if (!assigned.empty() && task.assignedTo != assigned) continue;
    std::string key = task.id.str();
    items.push_back({std::move(key), [task = std::move(task)] { return viewOf(task, false); }});
  }
  return page(request, std::move(items));
}

Result<std::optional<Timestamp>> timeOf(const Json& body, const std::string& key) {
  AGENTOS_TRY(auto text, http::stringOf(body, key));
  if (text.empty()) return std::nullopt;
  auto time = parseTimestamp(text);
  if (!time) return std::unexpected(std::move(time).error().within(key));
  return *time;
}

Result<company::NewTask> newTaskOf(const Json& body) {
  AGENTOS_CHECK(http::refuseUnknown(body, {"title", "body", "assigned_to", "product", "tags", "priority", "depends_on",
                                           "not_before", "deadline", "attempts", "backlog", "idempotency_key"}));
  company::NewTask task;
  AGENTOS_TRY(task.title, http::requiredString(body, "title"));
  AGENTOS_TRY(task.body, http::stringOf(body, "body"));
  AGENTOS_TRY(task.assignedTo, http::stringOf(body, "assigned_to"));
  AGENTOS_TRY(task.product, http::stringOf(body, "product"));
  AGENTOS_TRY(task.tags, http::stringsOf(body, "tags"));
  AGENTOS_TRY(task.idempotencyKey, http::stringOf(body, "idempotency_key"));
  AGENTOS_TRY(task.notBefore, timeOf(body, "not_before"));
  AGENTOS_TRY(task.deadline, timeOf(body, "deadline"));
  AGENTOS_TRY(task.backlog, http::boolOf(body, "backlog", false));
  AGENTOS_TRY(auto attempts, http::integerOf(body, "attempts"));
  task.attempts = attempts.value_or(3);
  if (task.attempts < 1 || task.attempts > 1000) {
    return fail(ErrorCode::kInvalidArgument, "attempts: " + std::to_string(task.attempts), "1 to 1000");
  }
  AGENTOS_TRY(auto word, http::stringOf(body, "priority", "medium"));
  auto priority = findPriority(word);
  if (!priority) return fail(ErrorCode::kInvalidArgument, "priority \"" + word + "\"", "critical, high, medium or low");
  task.priority = *priority;
  AGENTOS_TRY(auto dependsOn, http::stringsOf(body, "depends_on"));
  for (const std::string& text : dependsOn) {
    AGENTOS_TRY(auto id, TaskId::parse(text));
    task.dependsOn.push_back(std::move(id));
  }
  return task;
}

Response create(const ApiServices& api, const Request& request) {
  auto body = http::bodyObject(request);
  if (!body) return http::problem(body.error());
  auto task = newTaskOf(*body);
  if (!task) return http::problem(task.error());
  task->createdBy = kPerson;
  auto id = api.queue->add(*task);
  if (!id) return http::problem(id.error());
  Response response = http::json({{"id", id->str()}}, 201);
  response.headers.emplace_back("Location", "/v1/tasks/" + id->str());
  return response;
}

Response show(const ApiServices& api, const Request& request) {
  auto id = TaskId::parse(request.parameter("id"));
  if (!id) return http::problem(id.error());
  return http::answer(api.queue->find(*id), [](const company::Task& task) { return http::json(viewOf(task, true)); });
}

struct Move {
  std::string_view verb;
  TaskStatus to;
  std::optional<TaskStatus> from;  // only from there; else the queue's own table decides
};
constexpr Move kMoves[] = {
    {"promote", TaskStatus::kQueued, TaskStatus::kBacklog},
    {"demote", TaskStatus::kBacklog, TaskStatus::kQueued},
    {"requeue", TaskStatus::kQueued, std::nullopt},
    {"complete", TaskStatus::kDone, std::nullopt},
    {"fail", TaskStatus::kFailed, std::nullopt},
    {"decline", TaskStatus::kDeclined, std::nullopt},
};

Result<company::Task> perform(const ApiServices& api, const Request& request, const Move& move) {
  AGENTOS_TRY(auto id, TaskId::parse(request.parameter("id")));
  AGENTOS_TRY(auto body, http::bodyObject(request));
  AGENTOS_CHECK(http::refuseUnknown(body, {"reason"}));
  AGENTOS_TRY(auto reason, http::stringOf(body, "reason"));
  if (move.from) {
    AGENTOS_TRY(auto task, api.queue->find(id));
    if (task.status != *move.from) {
      return fail(ErrorCode::kTaskWrongState, id.str() + " is " + std::string(directoryOf(task.status)),
                  std::string(move.verb) + " leads from " + std::string(directoryOf(*move.from)));
    }
  }
  AGENTOS_CHECK(api.queue->move(id, move.to, actorOf(request), reason));
  return api.queue->find(id);
}

// A task in review is accepted with the changes of its run, and declined, failed or tried again without them.
asio::awaitable<Response> decide(const ApiServices& api, RequestPtr request, const Move& move) {
  auto id = TaskId::parse(request->parameter("id"));
  const auto run = id && api.overlays ? api.overlays->heldFor(*id) : std::nullopt;
  const auto task = run ? api.queue->find(*id) : Result<company::Task>(company::Task{});
  const bool reviewed = run && task && task->status == TaskStatus::kInReview;
  if (reviewed && move.to == TaskStatus::kDone) {
    auto committed = co_await api.overlays->commit(*run, actorOf(*request));
    if (!committed) co_return http::problem(std::move(committed).error().within("accepting " + id->str()));
  }
  auto moved = perform(api, *request, move);
  if (moved && reviewed && move.to != TaskStatus::kDone) {
    if (auto gone = api.overlays->discard(*run, actorOf(*request)); !gone) co_return http::problem(gone.error());
  }
  co_return http::answer(moved, [](const company::Task& done) { return http::json(viewOf(done, true)); });
}

Response inbox(const ApiServices& api, const Request& request) {
  auto mail = company::readInbox(*api.company, std::string(request.parameter("name")));
  if (!mail) return http::problem(mail.error());
  std::vector<Listed> items;
  for (company::Message& message : *mail) {
    std::string key = message.id.str();
    items.push_back({std::move(key), [message = std::move(message)] { return viewOf(message); }});
  }
  return page(request, std::move(items));
}

Result<company::Message> messageOf(const Json& body) {
  AGENTOS_CHECK(http::refuseUnknown(body, {"to", "subject", "body", "task", "urgent"}));
  company::Message message;
  AGENTOS_TRY(message.to, http::requiredString(body, "to"));
  AGENTOS_TRY(message.subject, http::requiredString(body, "subject"));
  AGENTOS_TRY(message.body, http::stringOf(body, "body"));
  AGENTOS_TRY(message.task, http::stringOf(body, "task"));
  AGENTOS_TRY(message.urgent, http::boolOf(body, "urgent", false));
  message.from = kPerson;
  return message;
}

Response send(const ApiServices& api, const Request& request) {
  auto body = http::bodyObject(request);
  if (!body) return http::problem(body.error());
  auto message = messageOf(*body);
  if (!message) return http::problem(message.error());
  std::string to = message->to, task = message->task;
  auto id = company::sendMessage(*api.company, std::move(*message), api.clock.now());
  if (!id) return http::problem(id.error());
  auto noted = api.events.record({.kind = "message.sent",
                                  .actor = actorOf(request),
                                  .agent = {},
                                  .instance = {},
                                  .task = task,
                                  .contract = {},
                                  .trace = request.trace,
                                  .data = {{"id", id->str()}, {"to", to}}});
  if (!noted)
    return http::problem(std::move(noted).error().within(id->str() + " was delivered, but could not be audited"));
  return http::json({{"id", id->str()}}, 201);
}

}  // namespace

void addTaskRoutes(http::Router& router, const ApiServices& api) {
  using enum http::Access;
  auto needing = [&api](bool queue, Response (*work)(const ApiServices&, const Request&)) {
    return plainly([&api, queue, work](const Request& request) {
      bool there = queue ? api.queue != nullptr : api.company != nullptr;
      return there ? work(api, request) : noCompany();
    });
  };
  router.add({"GET", "/v1/tasks", kMember, needing(true, list)});
  router.add({"POST", "/v1/tasks", kMember, needing(true, create)});
  router.add({"GET", "/v1/tasks/{id}", kMember, needing(true, show)});
  for (const Move& move : kMoves) {
    router.add({"POST", "/v1/tasks/{id}/" + std::string(move.verb), kMember,
                [&api, &move](RequestPtr request, http::Stream&) -> asio::awaitable<Response> {
                  if (api.queue == nullptr) co_return noCompany();
                  co_return co_await decide(api, std::move(request), move);
                }});
  }
  router.add({"GET", "/v1/messages/{name}", kMember, needing(false, inbox)});
  router.add({"POST", "/v1/messages", kMember, needing(false, send)});
}

}  // namespace agentos::agentd
