// SPDX-License-Identifier: Apache-2.0
#include "agentd/egress/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <map>
#include <optional>

#include "agentd/egress/socket_address.h"
#include "base/fd.h"

namespace agentos::agentd::egress {
namespace asio = boost::asio;
namespace {

using Answer = Result<std::vector<IpAddress>>;
using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kThreads = 8, kMostWaiting = 64, kMostKept = 1024, kMostAddresses = 16;
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kGoodFor = std::chrono::seconds(30), kBadFor = std::chrono::seconds(2);
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

// Read anew for each lookup, so that a changed resolv.conf counts; a name is asked for as it is, and not with the
// machine's own domain behind it.
void prepareThread() {
  if (::res_init() != 0) return;
  _res.options &=
      ~(static_cast<decltype(_res.options)>(RES_DEFNAMES) | static_cast<decltype(_res.options)>(RES_DNSRCH));
  _res.retrans = 2;
  _res.retry = 2;
}

std::unexpected<Error> failed(const std::string& name, int code) {
  const bool absent = code == EAI_NONAME || code == EAI_NODATA;
  return fail(absent ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
              name + (absent ? " has no address" : std::string(" cannot be resolved: ") + ::gai_strerror(code)),
              absent ? "a name that is in the DNS" : "the machine's DNS: try it with `getent hosts " + name + "`");
}

Answer lookUp(const std::string& name) {
  prepareThread();
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &found); code != 0) return failed(name, code);
  std::vector<IpAddress> addresses;
  for (const addrinfo* one = found; one != nullptr && addresses.size() < kMostAddresses; one = one->ai_next) {
    if (const auto address = addressOf(one->ai_addr, one->ai_addrlen)) addresses.push_back(*address);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return failed(name, EAI_NONAME);
  return addresses;
}

struct Lookup {
  explicit Lookup(asio::io_context& io) : done(io) { done.expires_at(SteadyTime::max()); }
  std::optional<Answer> answer;
  SteadyTime goodUntil;
  asio::steady_timer done;
};

}  // namespace

struct SystemResolver::State {
  explicit State(asio::io_context& loop) : io(loop) {}
  asio::io_context& io;
  asio::thread_pool pool{kThreads};
  std::map<std::string, std::shared_ptr<Lookup>> lookups;
  std::size_t waiting = 0;

  std::shared_ptr<Lookup> find(const std::string& name) {
    auto found = lookups.find(name);
    if (found == lookups.end()) return nullptr;
    const bool stale = found->second->answer && std::chrono::steady_clock::now() >= found->second->goodUntil;
    if (!stale) return found->second;
    lookups.erase(found);
    return nullptr;
  }
  void makeRoom() {
    if (lookups.size() < kMostKept) return;
    std::erase_if(lookups, [](const auto& one) { return one.second->answer.has_value(); });
  }
};

SystemResolver::SystemResolver(asio::io_context& io) : state_(std::make_shared<State>(io)) {}
SystemResolver::~SystemResolver() { state_->pool.join(); }

asio::awaitable<Answer> SystemResolver::resolve(std::string name) {
  auto state = state_;
  auto lookup = state->find(name);
  if (!lookup) {
    if (state->waiting >= kMostWaiting)
      co_return fail(ErrorCode::kUnavailable, "too many names are being resolved", "ask again in a moment");
    state->makeRoom();
    lookup = std::make_shared<Lookup>(state->io);
    state->lookups[name] = lookup;
    ++state->waiting;
    asio::post(state->pool, [state, lookup, name] {
      auto answer = std::make_shared<Answer>(lookUp(name));
      asio::post(state->io, [state, lookup, answer] {
        --state->waiting;
        lookup->goodUntil = std::chrono::steady_clock::now() + (*answer ? kGoodFor : kBadFor);
        lookup->answer = std::move(*answer);
        lookup->done.cancel();
      });
    });
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  asio::steady_timer patience(state->io, end);
  patience.async_wait([lookup](boost::system::error_code error) {
    if (!error) lookup->done.cancel();  // wakes others too, whose own end has not come
  });
  while (!lookup->answer && std::chrono::steady_clock::now() < end) co_await lookup->done.async_wait(kTuple);
  if (lookup->answer) co_return *lookup->answer;
  co_return fail(ErrorCode::kTimedOut, name + " was not resolved within 10 s", "the machine's DNS: is it reached?");
}

bool isOwnAddress(const IpAddress& address) {
  const SocketAddress to(address, 9);
  Fd socket(::socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), to.get(), to.size()) != 0) return false;
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&from));
  if (::getsockname(socket.get(), static_cast<sockaddr*>(static_cast<void*>(&from)), &size) != 0) return false;
  return addressOf(generic, size) == address;
}

}  // namespace agentos::agentd::egress
