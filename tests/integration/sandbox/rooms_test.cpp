// SPDX-License-Identifier: Apache-2.0
// What a room is like for the program in it, and for the host.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "rig.h"
#include "sandbox/exit_record.h"

namespace agentos::sandbox::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Rooms : public Rig {};

TEST_F(Rooms, APayloadRunsAndItsEndIsRecorded) {
  auto told = runInRoom({"sleep", "0", "7"});
  EXPECT_EQ(told.code, 7);
  EXPECT_THAT(told.output, HasSubstr("stdout F sleeping"));
}

}  // namespace
}  // namespace agentos::sandbox::testing
