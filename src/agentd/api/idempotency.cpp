// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/idempotency.h"

#include <algorithm>
#include <chrono>

#include "agentd/api/routes.h"
#include "base/digest.h"
#include "base/ids.h"

namespace agentos::agentd {
namespace asio = boost::asio;
namespace {

constexpr auto kKept = std::chrono::hours(24);
constexpr std::size_t kMaxKey = 255;

bool isWellFormed(std::string_view key) {
  return key.size() <= kMaxKey && std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string digestOf(const http::Request& request) {
  std::string text = request.method + "\n" + request.path + "\n";
  for (const auto& [name, value] : request.query) text += name + "=" + value + "\n";
  return sha256(text + "\n" + request.body);
}

http::Response refuse(std::string what, std::string remedy, int status) {
  return http::problem({ErrorCode::kConflict, std::move(what), std::move(remedy), 0, {}}, status);
}

}  // namespace

struct Idempotency::Call {
  std::string actor, key, digest;
};

Result<std::unique_ptr<Idempotency>> Idempotency::make(Database& db, const Clock& clock) {
  AGENTOS_CHECK(
      db.execute("CREATE TABLE IF NOT EXISTS http_answers(actor TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,"
                 " process TEXT NOT NULL, created INTEGER NOT NULL, status INTEGER, content_type TEXT, body TEXT,"
                 " PRIMARY KEY(actor, key)) WITHOUT ROWID"));
  std::unique_ptr<Idempotency> made(new Idempotency(db, clock));
  made->process_ = randomToken(12);
  return made;
}

http::Handler Idempotency::wrap(http::Handler handler) {
  return [this, handler = std::move(handler)](http::RequestPtr request, http::Stream& stream) {
    return request->header("idempotency-key").empty() ? handler(std::move(request), stream)
                                                      : run(handler, std::move(request), stream);
  };
}

Result<std::optional<http::Response>> Idempotency::begin(const Call& call) {
  AGENTOS_TRY(auto old, db_.prepare("DELETE FROM http_answers WHERE created < ?1"));
  AGENTOS_CHECK(old.with((clock_.now() - kKept).time_since_epoch().count()).run());
  AGENTOS_TRY(
      auto found,
      db_.prepare("SELECT digest, process, status, content_type, body FROM http_answers WHERE actor=?1 AND key=?2"));
  AGENTOS_TRY(bool there, found.with(call.actor, call.key).step());
  if (!there) {
    AGENTOS_TRY(auto note,
                db_.prepare("INSERT INTO http_answers(actor, key, digest, process, created) VALUES(?1,?2,?3,?4,?5)"));
    AGENTOS_CHECK(
        note.with(call.actor, call.key, call.digest, process_, clock_.now().time_since_epoch().count()).run());
    return std::nullopt;
  }
  if (found.text(0) != call.digest) {
    return refuse("this Idempotency-Key came with another request", "use a new key for a new request", 422);
  }
  if (found.isNull(2)) {
    bool running = found.text(1) == process_;
    return refuse(running ? "the first request with this Idempotency-Key is still being carried out"
                          : "agentd was restarted while the first request with this Idempotency-Key was carried out",
                  running ? "ask again in a moment" : "look whether it was done, and use a new key if not", 409);
  }
  http::Response stored = http::text(found.text(4), found.text(3), static_cast<int>(found.integer(2)));
  stored.headers.emplace_back("Idempotency-Replayed", "true");
  return stored;
}

Result<void> Idempotency::keep(const Call& call, const http::Response& response) {
  AGENTOS_TRY(auto update,
              db_.prepare("UPDATE http_answers SET status=?3, content_type=?4, body=?5 WHERE actor=?1 AND key=?2"));
  return update.with(call.actor, call.key, response.status, response.contentType, response.body).run();
}

// Ignoring a failure: the row then says "being carried out" until it expires, which refuses, and never doubles.
void Idempotency::forget(const Call& call) {
  auto remove = db_.prepare("DELETE FROM http_answers WHERE actor=?1 AND key=?2");
  if (remove) (void)remove->with(call.actor, call.key).run();
}

asio::awaitable<http::Response> Idempotency::run(http::Handler handler, http::RequestPtr request,
                                                 http::Stream& stream) {
  Call call{actorOf(*request), std::string(request->header("idempotency-key")), digestOf(*request)};
  if (!isWellFormed(call.key)) {
    co_return http::problem({ErrorCode::kInvalidArgument,
                             "a malformed Idempotency-Key",
                             "give 1 to 255 visible ASCII characters, such as a UUID",
                             0,
                             {}});
  }
  auto earlier = begin(call);
  if (!earlier) co_return http::problem(earlier.error());
  if (*earlier) co_return std::move(**earlier);
  http::Response response = co_await handler(request, stream);
  if (response.status < 200 || response.status > 299) {
    forget(call);
  } else if (auto kept = keep(call, response); !kept) {
    co_return http::problem(std::move(kept).error().within("the change was made, but its answer could not be kept"));
  }
  co_return response;
}

}  // namespace agentos::agentd
