// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <set>

namespace agentos {
namespace {

TEST(ErrorCodes, HaveUniqueStableNames) {
  std::set<std::string_view> names;
  for (const ErrorCodeInfo& info : allErrorCodes()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(&infoOf(info.code), &info);
    EXPECT_EQ(findErrorCode(info.name), &info);
    EXPECT_GE(info.exitStatus, 1);
    EXPECT_LE(info.exitStatus, 6);
    EXPECT_GE(info.httpStatus, 400);
    EXPECT_FALSE(info.doc.empty());
  }
  EXPECT_EQ(findErrorCode("nonsense"), nullptr);
}

TEST(Error, SaysWhereWhatWhyAndWhatWouldBeRight) {
  Error error = failErrno(EACCES, "cannot open x", "chmod g+r x").error();
  EXPECT_EQ(std::move(error).within("loading y").message(), "loading y: cannot open x: Permission denied; chmod g+r x");
}

TEST(FailErrno, KnowsAFullDiskAndAReadOnlyOne) {
  EXPECT_EQ(failErrno(ENOSPC, "w").error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(failErrno(EDQUOT, "w").error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(failErrno(EROFS, "w").error().code, ErrorCode::kReadOnly);
  EXPECT_EQ(failErrno(ENOENT, "w").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(failErrno(EIO, "w").error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace agentos
