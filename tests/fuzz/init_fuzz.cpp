// SPDX-License-Identifier: Apache-2.0
// What agent-init and agentd read of each other and of the disk; the first byte chooses the reader. What is accepted
// must have one form: written again it is the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sandbox/exit_record.h"
#include "sandbox/init/record.h"
#include "sandbox/init_protocol.h"
#include "sandbox/log_reader.h"

using namespace agentos;
using namespace agentos::sandbox;

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void read(unsigned char choice, std::string_view bytes) {
  switch (choice % 6) {
    case 0:
      if (auto plan = decodeInitPlan(bytes)) require(encodeInitPlan(*plan) == bytes);
      return;
    case 1:
      if (auto request = decodeInitRequest(bytes)) require(encodeInitRequest(*request) == bytes);
      return;
    case 2:
      if (auto reply = decodeInitReply(bytes)) require(encodeInitReply(*reply) == bytes);
      return;
    case 3:
      if (auto frame = parseLogFrame(bytes)) require(frame->text.size() < bytes.size());
      return;
    case 4:
      // agent-init writes `detail` short and in ASCII.
      if (auto record = parseExitRecord(bytes)) {
        auto again = parseExitRecord(formatExitRecord(*record));
        require(again.has_value());
        again->detail = record->detail;
        require(*again == *record);
      }
      return;
    case 5:
      if (auto facts = parseLaunchFacts(bytes)) require(parseLaunchFacts(formatLaunchFacts(*facts)) == *facts);
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(data + 1, data + size);
  read(data[0], bytes);
  return 0;
}
