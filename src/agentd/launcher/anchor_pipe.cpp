// SPDX-License-Identifier: Apache-2.0
#include "agentd/launcher/anchor_pipe.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace agentos::agentd {
namespace {

constexpr std::size_t kHash = 64;
constexpr int kMostAtOnce = 1024;  // a daemon that writes without end must not keep its launcher here

struct Message {
  std::uint64_t sequence = 0;
  std::array<char, kHash> hash{};
};
static_assert(sizeof(Message) == 72);

bool isHash(const std::array<char, kHash>& text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

void sendHead(int pipe, const govern::AuditHead& head) {
  if (pipe < 0 || head.hash.size() != kHash) return;
  Message message{head.sequence, {}};
  std::memcpy(message.hash.data(), head.hash.data(), kHash);
  [[maybe_unused]] auto sent = ::write(pipe, &message, sizeof message);
}

std::optional<govern::AuditHead> receiveHead(int pipe) {
  std::optional<govern::AuditHead> newest;
  Message message;
  for (int i = 0; i < kMostAtOnce && ::read(pipe, &message, sizeof message) == static_cast<ssize_t>(sizeof message);
       ++i) {
    if (isHash(message.hash)) newest = {message.sequence, std::string(message.hash.data(), kHash)};
  }
  return newest;
}

}  // namespace agentos::agentd
