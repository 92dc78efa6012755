// SPDX-License-Identifier: Apache-2.0
// One room's way out: its listener, its rules, its books, and its calls. Included by the proxy's own sources only.
#pragma once

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <set>

#include "agentd/egress/proxy.h"
#include "agentd/egress/rules.h"

namespace agentos::agentd::egress {

class Session;

struct Proxy::Shared {
  explicit Shared(ProxyParts given) : parts(std::move(given)) {}
  ProxyParts parts;
  std::size_t connections = 0;
  // What is being moved, between a read and the write after it: never across a wait.
  std::array<char, 64 << 10> scratch{};
};

class Door final : public std::enable_shared_from_this<Door> {
 public:
  Door(std::shared_ptr<Proxy::Shared> shared, InstanceId id, std::shared_ptr<const contract::Contract> contract,
       std::string trace);

  void listen(Fd listener);
  void close(bool ended);
  Json view() const;

  const RuleBook& book() const { return book_; }
  Proxy::Shared& shared() { return *shared_; }
  const InstanceId& id() const { return id_; }
  bool closed() const { return closed_; }

  void enter(Session* session);
  void leave(Session* session);
  bool isFull() const;

  Tally& tally(const std::string& destination, const std::string& rule) { return account_.of(destination, rule); }
  // How many bytes may still be moved under the rule and the contract; at most `most`.
  std::size_t allowance(const Rule& rule, std::size_t most) const;
  // Bytes were moved: the books are written soon. How long the mover is to wait, by the contract's rate.
  std::chrono::steady_clock::duration moved(std::uint64_t bytes);
  // An event for the first of its kind, a count for each.
  void tellRefusal(const Refusal& refusal, const std::string& destination, const std::string& method);

 private:
  void load();
  void saveSoon();
  void save();
  void tell(std::string kind, Json data, bool durable);

  std::shared_ptr<Proxy::Shared> shared_;
  InstanceId id_;
  std::shared_ptr<const contract::Contract> contract_;
  std::string trace_;
  RuleBook book_;
  Account account_;
  std::shared_ptr<boost::asio::posix::stream_descriptor> listener_;
  std::set<Session*> sessions_;
  std::set<std::string> told_;
  boost::asio::steady_timer saver_;
  std::chrono::steady_clock::time_point free_{};  // when the rate allows the next byte
  bool saving_ = false, closed_ = false;
};

}  // namespace agentos::agentd::egress
