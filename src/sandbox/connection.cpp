// SPDX-License-Identifier: Apache-2.0
#include "sandbox/connection.h"

#include <optional>

#include "sandbox/log.h"
#include "sandbox/wire.h"

namespace agentos::sandbox {
namespace {

constexpr std::size_t kMaxUnsent = 256;
constexpr std::size_t kMaxRequestFds = 1;  // the memfd of a large one

}  // namespace

void Connection::cut(const Error& why) {
  if (why.code != ErrorCode::kUnreachable) logLine("a client is cut off: " + why.message());
  socket_.reset();
  unsent_.clear();
}

std::optional<Request> Connection::next() {
  auto packet = receivePacket(socket_.get(), kMaxMessage, kMaxRequestFds);
  if (packet && !*packet) return std::nullopt;
  if (!packet) {
    cut(packet.error());
    return std::nullopt;
  }
  auto request = unpackRequest(**packet);
  if (request) return *std::move(request);
  cut(request.error());
  return std::nullopt;
}

void Connection::reply(const Reply& reply, std::vector<Fd> fds) {
  if (!open()) return;
  auto packet = packReply(reply);
  if (!packet) packet = packReply({reply.number, std::move(packet).error()});
  if (!packet) return cut(packet.error());
  for (auto& fd : fds) packet->fds.push_back(std::move(fd));
  unsent_.push_back(*std::move(packet));
  flush();
  if (unsent_.size() > kMaxUnsent) cut(fail(ErrorCode::kTooLarge, "more than 256 replies that nobody reads").error());
}

void Connection::flush() {
  while (open() && !unsent_.empty()) {
    std::vector<int> fds;
    for (const auto& fd : unsent_.front().fds) fds.push_back(fd.get());
    auto sent = sendPacket(socket_.get(), unsent_.front().bytes, fds);
    if (!sent) return cut(sent.error());
    if (!*sent) return;
    unsent_.pop_front();
  }
}

}  // namespace agentos::sandbox
