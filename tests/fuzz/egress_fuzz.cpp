// SPDX-License-Identifier: Apache-2.0
// What agents and servers send to the egress proxy. The first byte chooses the parser; what one takes is written anew
// in a way that reads as one thing.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agentd/egress/client_hello.h"
#include "agentd/egress/request_head.h"
#include "agentd/egress/response_head.h"

namespace {

using namespace agentos::agentd::egress;

void require(bool holds) {
  if (!holds) std::abort();
}

void checkForwarded(const std::string& head) {
  const auto lines = linesOf(head);
  require(lines.has_value());
  int lengths = 0;
  for (std::size_t at = 1; at < lines->size(); ++at) {
    const auto field = headerOf((*lines)[at]);
    require(field.has_value());
    const std::string name = lower(field->first);
    lengths += name == "content-length" || name == "transfer-encoding" ? 1 : 0;
  }
  require(lengths <= 1);
}

void request(std::string_view bytes) {
  const auto head = parseRequestHead(bytes);
  if (!head) return;
  require(head->port != 0 && !head->host.empty());
  if (head->tunnel) return;
  const std::string forwarded = forwardedHead(*head);
  checkForwarded(forwarded);
  int hosts = 0;
  const auto lines = linesOf(forwarded);
  for (const auto line : *lines) hosts += lower(line.substr(0, 5)) == "host:" ? 1 : 0;
  require(hosts == 1);
  static_cast<void>(isPlainPath(head->path));
}

void response(std::string_view bytes) {
  if (const auto head = parseResponseHead(bytes, "GET")) checkForwarded(forwardedHead(*head, false));
}

// In one piece and byte by byte is the same.
void chunks(std::string_view bytes) {
  ChunkReader whole, slow;
  std::string all, bits;
  const auto taken = whole.feed(bytes, all);
  std::size_t count = 0;
  bool good = true;
  while (good && !slow.done() && count < bytes.size()) {
    const auto one = slow.feed(bytes.substr(count, 1), bits);
    good = one.has_value();
    count += one.value_or(0);
  }
  require(taken.has_value() == good && (!taken || (*taken == count && all == bits && whole.done() == slow.done())));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string bytes(data + 1, data + size);
  switch (data[0] % 4) {
    case 0:
      request(bytes);
      break;
    case 1:
      response(bytes);
      break;
    case 2:
      chunks(bytes);
      break;
    default:
      static_cast<void>(readClientHello(bytes));
  }
  return 0;
}
