// SPDX-License-Identifier: Apache-2.0
#include "agentd/anchoring.h"

#include <spdlog/spdlog.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "agentd/log.h"
#include "agentd/spawn_task.h"

namespace agentos::agentd {
namespace {

namespace asio = boost::asio;

constexpr auto kHeadAfter = std::chrono::seconds(1);
constexpr auto kHeadToldEvery = std::chrono::hours(1);
constexpr auto kLastHeadPatience = std::chrono::seconds(1);

void tellFailure(const std::string& why) { logAs("audit.anchor_failed", "audit anchor: " + why); }

}  // namespace

void Anchoring::soon() {
  if (std::exchange(due_, true)) return;
  parts_.alarms.after(kHeadAfter, [this] {
    due_ = false;
    if (auto synced = parts_.audit.sync(); !synced) return spdlog::error("audit: {}", synced.error().message());
    spawnTask(parts_.io.get_executor(), "anchor", anchorHead());
    if (!told_ || parts_.clock.bootNow() - *told_ >= kHeadToldEvery) tellHead();
  });
}

asio::awaitable<void> Anchoring::last() {
  if (parts_.audit.sync() && parts_.audit.head().sequence > 0) co_await keepLastHead();
  tellHead();
}

// Once an hour the head stands in the journal too, which agentd's own user cannot rewrite.
void Anchoring::tellHead() {
  told_ = parts_.clock.bootNow();
  const auto head = parts_.audit.head();
  logAs("audit.anchored", "audit: event " + std::to_string(head.sequence) + " has the hash " + head.hash);
}

// Only what is on disk, and one at a time. What has come meanwhile, or was not kept, goes with the next second.
asio::awaitable<void> Anchoring::anchorHead() {
  const auto head = parts_.audit.head();
  if (anchoring_ || head.sequence == anchored_ || head.sequence == 0) co_return;
  anchoring_ = true;
  const bool kept = co_await keepHead(head);
  anchoring_ = false;
  if (kept) anchored_ = head.sequence;
  if (parts_.audit.head().sequence != anchored_) soon();
}

asio::awaitable<bool> Anchoring::keepHead(govern::AuditHead head) {
  auto kept = co_await parts_.spawner.anchor({head.sequence, head.hash});
  const bool failed = !kept;
  if (failed && !fails_) tellFailure(kept.error().message() + "; tried again every second");
  fails_ = failed;
  co_return !failed;
}

// A spawner that is restarted with us answers when we have ended: its socket takes the words, and nobody reads them.
asio::awaitable<void> Anchoring::keepLastHead() {
  using namespace asio::experimental::awaitable_operators;
  const auto head = parts_.audit.head();
  const sandbox::LogHead told{head.sequence, head.hash};
  auto bell = std::make_shared<asio::steady_timer>(parts_.io, asio::steady_timer::time_point::max());
  const auto alarm = parts_.alarms.after(kLastHeadPatience, [bell] { bell->cancel(); });
  boost::system::error_code ignored;
  auto first =
      co_await (parts_.spawner.anchor(told) || bell->async_wait(asio::redirect_error(asio::use_awaitable, ignored)));
  parts_.alarms.cancel(alarm);
  if (first.index() == 1) {
    tellFailure("no answer from the spawner within a second; the next start anchors what is not");
  } else if (const auto& kept = std::get<0>(first); !kept) {
    tellFailure(kept.error().message());
  }
}

}  // namespace agentos::agentd
