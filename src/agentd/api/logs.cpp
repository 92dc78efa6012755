// SPDX-License-Identifier: Apache-2.0
// /v1/agents/{id}/logs: what an instance printed, as text or as frames (Accept: application/x-ndjson), from the files
// that agent-init writes; read on the pool, followed by inotify until the instance has ended.
#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <utility>

#include "agentd/api/on_pool.h"
#include "agentd/api/routes.h"
#include "base/files.h"
#include "sandbox/log_reader.h"

namespace agentos::agentd {
namespace asio = boost::asio;
using http::RequestPtr;
using http::Response;
using http::Stream;
namespace {

using Frames = std::vector<sandbox::LogFrame>;
constexpr std::uint64_t kLongestTail = 100000;

struct Asked {
  bool follow = false, asFrames = false;
  std::optional<Timestamp> since;
  std::optional<std::uint64_t> tail;
};

// ?since= takes a time, or a duration that is counted back from now.
Result<std::optional<Timestamp>> sinceOf(const http::Request& request, Timestamp now) {
  auto text = request.queryValue("since");
  if (!text || text->empty()) return std::nullopt;
  if (auto duration = parseDuration(*text)) return now - *duration;
  auto time = parseTimestamp(*text);
  if (!time)
    return fail(ErrorCode::kInvalidArgument, "?since=" + std::string(*text),
                "a time as 2026-11-20T14:03:07Z or a duration as 10m");
  return *time;
}

Result<Asked> askedOf(const http::Request& request, Timestamp now) {
  Asked asked;
  AGENTOS_TRY(asked.follow, http::flagOf(request, "follow"));
  AGENTOS_TRY(asked.since, sinceOf(request, now));
  AGENTOS_TRY(asked.tail, http::numberOf(request, "tail"));
  if (asked.tail.value_or(0) > kLongestTail) {
    return fail(ErrorCode::kInvalidArgument, "?tail=" + std::to_string(*asked.tail),
                "at most " + std::to_string(kLongestTail));
  }
  asked.asFrames = request.header("accept").find("application/x-ndjson") != std::string_view::npos;
  return asked;
}

std::string rendered(const Frames& frames, bool asFrames) {
  std::string out;
  for (const auto& frame : frames) {
    if (asFrames) {
      Json line{{"time", formatUtc(frame.time)},
                {"stream", sandbox::kStreamNames.at(std::to_underlying(frame.stream))},
                {"text", frame.text}};
      if (frame.partial) line["partial"] = true;
      out += dumpJson(line) + "\n";
    } else {
      out += frame.text + (frame.partial ? "" : "\n");
    }
  }
  return out;
}

// Everything that is there now, but only its last `tail` lines.
Result<Frames> lastOf(sandbox::LogReader& reader, std::uint64_t tail) {
  std::deque<sandbox::LogFrame> kept;
  std::uint64_t lines = 0;
  while (true) {
    AGENTOS_TRY(auto frames, reader.next());
    if (frames.empty()) break;
    for (auto& frame : frames) {
      lines += frame.partial ? 0 : 1;
      kept.push_back(std::move(frame));
      while (lines > tail) {
        lines -= kept.front().partial ? 0 : 1;
        kept.pop_front();
      }
    }
  }
  return Frames(std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
}

// Wakes when something in a directory changes, or after a second: that an instance has ended changes no file of it.
class Watch {
 public:
  Watch(asio::io_context& io, const std::string& directory) : inotify_(io), timer_(io) {
    Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd || ::inotify_add_watch(fd.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
      return;  // the timer serves
    inotify_.assign(fd.release());
  }
  static asio::awaitable<void> change(std::shared_ptr<Watch> self) {
    self->timer_.expires_after(std::chrono::seconds(1));
    if (self->inotify_.is_open()) {
      self->inotify_.async_wait(asio::posix::stream_descriptor::wait_read, [self](boost::system::error_code error) {
        if (!error) self->timer_.cancel();
      });
    }
    co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    self->rest();
  }
  void rest() {
    if (!inotify_.is_open()) return;
    boost::system::error_code ignored;
    inotify_.cancel(ignored);
    std::array<char, 4096> events{};
    while (::read(inotify_.native_handle(), events.data(), events.size()) > 0) {
    }
  }

 private:
  asio::posix::stream_descriptor inotify_;
  asio::steady_timer timer_;
};

struct Source {
  InstanceId id;
  std::string directory;
  std::shared_ptr<sandbox::LogReader> reader;
};

asio::awaitable<Result<Frames>> readNext(const ApiServices& api, std::shared_ptr<sandbox::LogReader> reader) {
  co_return co_await onPool<Result<Frames>>(api.pool, [reader] { return reader->next(); });
}

bool hasEnded(const ApiServices& api, const InstanceId& id) {
  auto view = api.supervisor.view(id);
  return !view || !isLive(view->state);
}

// Writes what there is; with `follow` also what comes, until the instance has ended and all of it is told.
asio::awaitable<Result<void>> tell(const ApiServices& api, Source source, Asked asked, Stream& stream) {
  std::shared_ptr<Watch> watch = asked.follow ? std::make_shared<Watch>(api.io, source.directory) : nullptr;
  if (asked.tail) {
    auto reader = source.reader;
    AGENTOS_CO_TRY(auto last, co_await onPool<Result<Frames>>(
                                  api.pool, [reader, tail = *asked.tail] { return lastOf(*reader, tail); }));
    if (!co_await stream.write(rendered(last, asked.asFrames))) co_return Result<void>();
  }
  while (true) {
    bool ended = hasEnded(api, source.id);  // asked before reading: what was written until then is read
    AGENTOS_CO_TRY(auto frames, co_await readNext(api, source.reader));
    if (!frames.empty()) {
      if (!co_await stream.write(rendered(frames, asked.asFrames))) break;
    } else if (ended || !asked.follow) {
      break;
    } else {
      co_await Watch::change(watch);
    }
  }
  if (watch) watch->rest();
  co_return Result<void>();
}

asio::awaitable<Response> logs(const ApiServices& api, RequestPtr request, Stream& stream) {
  auto id = api.supervisor.resolve(request->parameter("id"));
  if (!id) co_return http::problem(id.error());
  auto asked = askedOf(*request, api.clock.now());
  if (!asked) co_return http::problem(asked.error());
  Source source{*id, api.logDirectory + "/" + id->str(), nullptr};
  auto directory = openDirectory(source.directory);
  if (!directory) co_return http::problem(std::move(directory).error().within("the log of " + id->str()));
  source.reader = std::make_shared<sandbox::LogReader>(std::move(*directory), sandbox::LogCursor{}, asked->since);
  if (!co_await stream.begin(http::text({}, asked->asFrames ? "application/x-ndjson" : "text/plain; charset=utf-8")))
    co_return Response{};
  auto told = co_await tell(api, std::move(source), *asked, stream);
  if (!told) stream.abort();
  co_return Response{};
}

}  // namespace

void addLogRoutes(http::Router& router, const ApiServices& api) {
  router.add({"GET", "/v1/agents/{id}/logs", http::Access::kMember,
              [&api](RequestPtr request, Stream& stream) { return logs(api, std::move(request), stream); },
              http::Hangup::kCut});
}

}  // namespace agentos::agentd
