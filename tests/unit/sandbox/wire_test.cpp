// SPDX-License-Identifier: Apache-2.0
#include "sandbox/wire.h"

#include <gmock/gmock.h>

#include <limits>

namespace agentos::sandbox {
namespace {

using ::testing::HasSubstr;

template <class T>
using Limits = std::numeric_limits<T>;

std::string errorOf(const Reader& in) {
  auto finished = in.finish("test");
  return finished ? "" : finished.error().message();
}

TEST(Wire, ReadsWhatWasWritten) {
  Writer out;
  out.u8(255);
  out.u16(65'535);
  out.u32(Limits<std::uint32_t>::max());
  out.u64(Limits<std::uint64_t>::max());
  out.i32(Limits<std::int32_t>::min());
  out.i64(Limits<std::int64_t>::min());
  out.boolean(true);
  out.string(std::string("a\0b", 3));
  out.strings({"", "x"});
  std::string bytes = out.take();
  Reader in(bytes);
  EXPECT_EQ(in.u8(), 255);
  EXPECT_EQ(in.u16(), 65'535);
  EXPECT_EQ(in.u32(), Limits<std::uint32_t>::max());
  EXPECT_EQ(in.u64(), Limits<std::uint64_t>::max());
  EXPECT_EQ(in.i32(), Limits<std::int32_t>::min());
  EXPECT_EQ(in.i64(), Limits<std::int64_t>::min());
  EXPECT_TRUE(in.boolean());
  EXPECT_EQ(in.string(), std::string("a\0b", 3));
  EXPECT_EQ(in.strings(), (std::vector<std::string>{"", "x"}));
  EXPECT_EQ(errorOf(in), "");
}

TEST(Wire, IsLittleEndian) {
  Writer out;
  out.u32(0x01020304);
  EXPECT_EQ(out.take(), "\x04\x03\x02\x01");
}

TEST(Wire, RefusesWhatIsMissing) {
  Reader in("\x01\x02\x03");
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_THAT(errorOf(in), HasSubstr("at byte 0, it ends where a number of 4 bytes should be"));
  EXPECT_EQ(in.finish("test").error().code, ErrorCode::kSandboxProtocol);
}

TEST(Wire, RefusesWhatIsLeftOver) {
  Reader in("\x01\x02");
  in.u8();
  EXPECT_THAT(errorOf(in), HasSubstr("1 bytes too many"));
}

TEST(Wire, GivesNothingAfterTheFirstFault) {
  Writer out;
  out.u32(100);  // the length of a string that is not there
  out.u8(7);
  std::string bytes = out.take();
  Reader in(bytes);
  EXPECT_EQ(in.string(), "");
  EXPECT_EQ(in.u8(), 0);
  EXPECT_THAT(errorOf(in), HasSubstr("a string of 100 bytes"));
}

TEST(Wire, TakesNoMemoryForALengthThatLies) {
  for (std::uint32_t length : {5U, 0x7fffffffU, 0xffffffffU}) {
    Writer out;
    out.u32(length);
    out.u32(0);
    std::string bytes = out.take();
    Reader text(bytes), list(bytes);
    EXPECT_EQ(text.string(), "");
    EXPECT_FALSE(text.ok());
    EXPECT_TRUE(list.strings(0xffffffff).empty());
    EXPECT_FALSE(list.ok());
  }
}

TEST(Wire, HoldsAListToItsBound) {
  Writer out;
  out.strings({"a", "b", "c"});
  std::string bytes = out.take();
  Reader in(bytes);
  EXPECT_TRUE(in.strings(2).empty());
  EXPECT_THAT(errorOf(in), HasSubstr("a list of 3 items"));
}

TEST(Wire, KnowsTwoBooleans) {
  Reader in("\x02");
  in.boolean();
  EXPECT_THAT(errorOf(in), HasSubstr("a boolean of 2"));
}

}  // namespace
}  // namespace agentos::sandbox
