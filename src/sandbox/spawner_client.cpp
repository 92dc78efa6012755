// SPDX-License-Identifier: Apache-2.0
#include "sandbox/spawner_client.h"

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "sandbox/channel.h"
#include "sandbox/init_client.h"
#include "sandbox/protocol.h"
#include "sandbox/wire.h"

namespace agentos::sandbox {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Time = std::chrono::steady_clock::time_point;

constexpr std::chrono::milliseconds kRetryEvery(25);
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Answered {
  ReplyBody body;
  std::vector<Fd> fds;
};

// One request on its way. Lives in the frame of the coroutine that asked, which the timer holds back.
struct Call {
  explicit Call(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  Request request;
  bool sent = false;
  std::optional<Result<Answered>> outcome;

  void end(Result<Answered> result) {
    outcome = std::move(result);
    timer.cancel();
  }
};

Result<Fd> connectByPath(const std::string& path) {
  auto slash = path.find_last_of('/');
  Fd directory(::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return failErrno(errno, "opening the directory of " + path, {}, ErrorCode::kUnreachable);
  return connectTo(directory.get(), path.substr(slash + 1));
}

std::unexpected<Error> unreachable(const std::string& socket, const std::string& why) {
  return fail(ErrorCode::kUnreachable, "the spawner at " + socket + " is not there" + (why.empty() ? "" : ": " + why),
              "start agentd-spawner");
}

// The body if it is of that kind; an error that the spawner sent; else a broken promise.
template <class Value>
Result<Value> bodyAs(Result<Answered> answered) {
  if (!answered) return std::unexpected(std::move(answered).error());
  if (auto* error = std::get_if<Error>(&answered->body)) return std::unexpected(std::move(*error));
  if (auto* value = std::get_if<Value>(&answered->body)) return std::move(*value);
  return fail(ErrorCode::kSandboxProtocol, "the spawner answered with something else than was asked");
}

Result<void> done(Result<Answered> answered) {
  auto body = bodyAs<std::monostate>(std::move(answered));
  if (!body) return std::unexpected(std::move(body).error());
  return {};
}

Result<SpawnedRoom> roomFrom(Answered answered) {
  AGENTOS_TRY(auto reply, bodyAs<RoomReply>(Answered{std::move(answered.body), {}}));
  if (answered.fds.size() != 2 + reply.listeners) {
    return fail(ErrorCode::kSandboxProtocol, "the spawner sent " + std::to_string(answered.fds.size()) + " descriptors",
                std::to_string(2 + reply.listeners));
  }
  SpawnedRoom room;
  room.identity = std::move(reply.identity);
  room.enforcement = std::move(reply.enforcement);
  room.pidfd = std::move(answered.fds[0]);
  room.control = std::move(answered.fds[1]);
  for (std::size_t i = 2; i < answered.fds.size(); ++i) room.listeners.push_back(std::move(answered.fds[i]));
  return room;
}

}  // namespace

// The connection and what is under way on it. Shared with the handlers, so that it outlives the client until they ran.
class SpawnerClient::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(asio::any_io_executor executor, SpawnerClientOptions options)
      : executor_(std::move(executor)), options_(std::move(options)), retry_(executor_) {}

  const asio::any_io_executor& executor() const { return executor_; }

  awaitable<Result<Answered>> ask(Request request);
  awaitable<Result<Answered>> askForRoom(RoomPlan plan);
  void close();

 private:
  void pump();
  bool connected();
  void sendUnsent();
  void listen();
  void retryLater();
  void awaitRoom();
  void onReadable();
  void onPacket(Packet packet);
  void lost();

  asio::any_io_executor executor_;
  SpawnerClientOptions options_;
  std::optional<asio::posix::stream_descriptor> socket_;
  asio::steady_timer retry_;
  bool retrying_ = false, awaitingRoom_ = false, closed_ = false;
  std::uint64_t lastNumber_ = 0;
  std::map<std::uint64_t, Call*> calls_;  // in the order they were asked
  std::size_t spawning_ = 0;
  std::deque<asio::steady_timer*> waitingToSpawn_;
};

awaitable<Result<Answered>> SpawnerClient::Link::ask(Request request) {
  auto self = shared_from_this();
  if (closed_) co_return fail(ErrorCode::kUnavailable, "the spawner's client is closed");
  Call call(executor_);
  call.request = std::move(request);
  call.request.number = ++lastNumber_;
  std::uint64_t number = call.request.number;
  calls_[number] = &call;
  // Gone from the list whatever ends this coroutine, cancellation too.
  auto forget = [this, number](void*) { calls_.erase(number); };
  std::unique_ptr<void, decltype(forget)> entry(this, forget);
  pump();
  bool wasSent = call.sent;
  call.timer.expires_after(wasSent ? options_.answerPatience : options_.connectPatience);
  while (!call.outcome) {
    auto [error] = co_await call.timer.async_wait(kAwait);
    if (call.outcome) break;
    if (call.sent && !wasSent) {
      wasSent = true;
      call.timer.expires_after(options_.answerPatience);
    } else if (!error) {
      if (!call.sent) co_return unreachable(options_.socket, {});
      co_return fail(ErrorCode::kTimedOut, "no answer from the spawner to " + std::string(nameOf(call.request.kind)),
                     "look at its log");
    } else if (auto state = co_await asio::this_coro::cancellation_state;
               state.cancelled() != asio::cancellation_type::none) {
      co_return fail(ErrorCode::kUnavailable, "cancelled");
    }
  }
  co_return *std::move(call.outcome);
}

// At most spawnsAtOnce; the others wait in the order they came.
awaitable<Result<Answered>> SpawnerClient::Link::askForRoom(RoomPlan plan) {
  auto self = shared_from_this();
  if (spawning_ >= options_.spawnsAtOnce) {
    asio::steady_timer turn(executor_, Time::max());
    waitingToSpawn_.push_back(&turn);
    (void)co_await turn.async_wait(kAwait);
    bool mine = std::erase(waitingToSpawn_, &turn) == 0;  // whose turn it is was taken off
    if (!mine || closed_) {
      if (mine) --spawning_;
      co_return fail(ErrorCode::kUnavailable, closed_ ? "the spawner's client is closed" : "cancelled");
    }
  } else {
    ++spawning_;
  }
  auto release = [this](void*) {
    if (waitingToSpawn_.empty()) {
      --spawning_;
    } else {
      waitingToSpawn_.front()->cancel();  // hands the place on
      waitingToSpawn_.pop_front();
    }
  };
  std::unique_ptr<void, decltype(release)> place(this, release);
  Request request;
  request.kind = RequestKind::kSpawn;
  request.plan = std::move(plan);
  co_return co_await ask(std::move(request));
}

void SpawnerClient::Link::close() {
  closed_ = true;
  retry_.cancel();
  if (socket_) socket_->close();
  socket_.reset();
  for (auto& [number, call] : calls_) call->end(fail(ErrorCode::kUnavailable, "the spawner's client is closed"));
  for (auto* turn : waitingToSpawn_) turn->cancel();
}

void SpawnerClient::Link::pump() {
  if (closed_ || calls_.empty()) return;
  if (!connected()) return retryLater();
  sendUnsent();
}

bool SpawnerClient::Link::connected() {
  if (socket_) return true;
  auto fd = connectByPath(options_.socket);
  if (!fd) return false;
  socket_.emplace(executor_, fd->release());
  listen();
  return true;
}

void SpawnerClient::Link::sendUnsent() {
  for (auto& [number, call] : calls_) {
    if (call->sent || call->outcome) continue;
    auto packet = packRequest(call->request);
    if (!packet) {
      call->end(std::unexpected(std::move(packet).error()));
      continue;
    }
    std::vector<int> fds;
    for (const auto& fd : packet->fds) fds.push_back(fd.get());
    auto sent = sendPacket(socket_->native_handle(), packet->bytes, fds);
    if (!sent) return lost();
    if (!*sent) return awaitRoom();
    call->sent = true;
    call->timer.cancel();  // from here on it waits for the answer
  }
}

void SpawnerClient::Link::awaitRoom() {
  if (std::exchange(awaitingRoom_, true)) return;
  socket_->async_wait(asio::posix::descriptor_base::wait_write,
                      [self = shared_from_this()](boost::system::error_code error) {
                        self->awaitingRoom_ = false;
                        if (!error) self->pump();
                      });
}

void SpawnerClient::Link::listen() {
  socket_->async_wait(asio::posix::descriptor_base::wait_read,
                      [self = shared_from_this()](boost::system::error_code error) {
                        if (!error) self->onReadable();
                      });
}

void SpawnerClient::Link::onReadable() {
  for (;;) {
    if (!socket_) return;
    auto packet = receivePacket(socket_->native_handle(), kMaxMessage, kMaxPassed);
    if (!packet) return lost();
    if (!*packet) break;
    onPacket(**std::move(packet));
  }
  listen();
}

void SpawnerClient::Link::onPacket(Packet packet) {
  auto reply = unpackReply(packet);
  if (!reply) return lost();
  auto call = calls_.find(reply->number);
  // Nobody waits any more: its descriptors close here.
  if (call == calls_.end() || call->second->outcome) return;
  call->second->end(Answered{std::move(reply->body), std::move(packet.fds)});
}

// The spawner went away. What may be asked twice is asked again as soon as there is a new one.
void SpawnerClient::Link::lost() {
  if (socket_) socket_->close();
  socket_.reset();
  for (auto& [number, call] : calls_) {
    if (!call->sent || call->outcome) continue;
    if (call->request.kind == RequestKind::kSpawn) {
      call->end(fail(ErrorCode::kUnreachable, "the spawner went away while it made " + call->request.plan.id.str(),
                     "sweep the instance, then start it again"));
    } else {
      call->sent = false;
    }
  }
  retryLater();
}

void SpawnerClient::Link::retryLater() {
  if (closed_ || std::exchange(retrying_, true)) return;
  retry_.expires_after(kRetryEvery);
  retry_.async_wait([self = shared_from_this()](boost::system::error_code) {
    self->retrying_ = false;
    self->pump();
  });
}

SpawnerClient::SpawnerClient(asio::any_io_executor executor, SpawnerClientOptions options)
    : link_(std::make_shared<Link>(std::move(executor), std::move(options))) {}

SpawnerClient::~SpawnerClient() { link_->close(); }

namespace {

Request about(RequestKind kind, const InstanceId& id = {}) {
  Request request;
  request.kind = kind;
  request.id = id;
  return request;
}

}  // namespace

awaitable<Result<PlatformReport>> SpawnerClient::platform() {
  auto link = link_;
  co_return bodyAs<PlatformReport>(co_await link->ask(about(RequestKind::kPlatform)));
}

awaitable<Result<SpawnedRoom>> SpawnerClient::spawn(const RoomPlan& plan) {
  auto link = link_;
  RoomPlan copy = plan;
  AGENTOS_CO_TRY(auto answered, co_await link->askForRoom(std::move(copy)));
  co_return roomFrom(std::move(answered));
}

awaitable<Result<SpawnedRoom>> SpawnerClient::adopt(const InstanceId& id, const ProcessIdentity& identity) {
  auto link = link_;
  Request request = about(RequestKind::kAdopt, id);
  request.identity = identity;
  AGENTOS_CO_TRY(auto answered, co_await link->ask(std::move(request)));
  AGENTOS_CO_TRY(auto room, roomFrom(std::move(answered)));
  // The listeners come from agent-init itself, unprivileged to unprivileged: the spawner believes no word of a room.
  InitClient init(link->executor(), room.control.duplicate());
  AGENTOS_CO_TRY(room.listeners, co_await init.listeners());
  co_return room;
}

awaitable<Result<std::vector<LiveRoom>>> SpawnerClient::list() {
  auto link = link_;
  co_return bodyAs<std::vector<LiveRoom>>(co_await link->ask(about(RequestKind::kList)));
}

awaitable<Result<void>> SpawnerClient::freeze(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kFreeze, id);
  co_return done(co_await link->ask(std::move(request)));
}

awaitable<Result<void>> SpawnerClient::thaw(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kThaw, id);
  co_return done(co_await link->ask(std::move(request)));
}

awaitable<Result<void>> SpawnerClient::kill(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kKill, id);
  co_return done(co_await link->ask(std::move(request)));
}

awaitable<Result<void>> SpawnerClient::haltAll(bool kill) {
  auto link = link_;
  co_return done(co_await link->ask(about(kill ? RequestKind::kKillAll : RequestKind::kFreezeAll)));
}

awaitable<Result<void>> SpawnerClient::sweep(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kSweep, id);
  co_return done(co_await link->ask(std::move(request)));
}

awaitable<Result<std::vector<std::int32_t>>> SpawnerClient::processes(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kProcesses, id);
  co_return bodyAs<std::vector<std::int32_t>>(co_await link->ask(std::move(request)));
}

awaitable<Result<std::vector<LimitSignal>>> SpawnerClient::watchLimits(const InstanceId& id) {
  auto link = link_;
  auto request = about(RequestKind::kWatchLimits, id);
  AGENTOS_CO_TRY(auto answered, co_await link->ask(std::move(request)));
  AGENTOS_CO_TRY(auto kinds, bodyAs<std::vector<std::int32_t>>(Answered{std::move(answered.body), {}}));
  if (kinds.size() != answered.fds.size())
    co_return fail(ErrorCode::kSandboxProtocol, "the spawner sent " + std::to_string(answered.fds.size()) +
                                                    " descriptors for " + std::to_string(kinds.size()) + " signals");
  std::vector<LimitSignal> signals;
  for (std::size_t i = 0; i < kinds.size(); ++i)
    signals.push_back({static_cast<LimitSignal::Kind>(kinds[i]), std::move(answered.fds[i])});
  co_return signals;
}

awaitable<Result<void>> SpawnerClient::anchor(const LogHead& head) {
  auto link = link_;
  auto request = about(RequestKind::kAnchor);
  request.head = head;
  co_return done(co_await link->ask(std::move(request)));
}

awaitable<Result<void>> SpawnerClient::reloadPolicy() {
  auto link = link_;
  co_return done(co_await link->ask(about(RequestKind::kReload)));
}

awaitable<Result<std::vector<Fd>>> SpawnerClient::pressure(PressureAsk ask) {
  auto link = link_;
  auto request = about(RequestKind::kPressure);
  request.pressure = ask;
  AGENTOS_CO_TRY(auto answered, co_await link->ask(std::move(request)));
  if (const auto* error = std::get_if<Error>(&answered.body)) co_return std::unexpected(*error);
  if (answered.fds.size() != 2) co_return fail(ErrorCode::kSandboxProtocol, "not two triggers in the answer");
  co_return std::move(answered.fds);
}

}  // namespace agentos::sandbox
