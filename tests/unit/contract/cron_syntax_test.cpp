// SPDX-License-Identifier: Apache-2.0
#include "contract/cron_syntax.h"

#include <gtest/gtest.h>

namespace agentos::contract {
namespace {

TEST(CronSyntax, TakesTheFormsOfCrontab) {
  for (const char* text :
       {"* * * * *", "*/15 * * * *", "0 9-17 * * mon-fri", "5,10,15 0 1 JAN *", "0 0 * * 0", "0 0 * * 7",
        "59 23 31 12 *", "0-59/7 * * * *", "0 0 29 2 *", "0 0 31 2 1", "  1\t2   3 4 5  "}) {
    EXPECT_EQ(cronProblem(text), std::nullopt) << text;
  }
}

TEST(CronSyntax, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(cronProblem("61 * * * *"), "\"61\" is no minute");
  EXPECT_EQ(cronProblem("* 24 * * *"), "\"24\" is no hour");
  EXPECT_EQ(cronProblem("* * 0 * *"), "\"0\" is no day of month");
  EXPECT_EQ(cronProblem("* * * 13 *"), "\"13\" is no month");
  EXPECT_EQ(cronProblem("* * * * 8"), "\"8\" is no day of week");
  EXPECT_EQ(cronProblem("* * * * *, "), "\"\" is no day of week");
}

TEST(CronSyntax, RefusesWhatCannotBe) {
  for (const char* text :
       {"", "*", "* * * *", "* * * * * *", "@daily", "-1 * * * *", "1- * * * *", "1-2-3 * * * *", "*/0 * * * *",
        "*/ * * * *", "*/60 * * * *", "30-10 * * * *", "** * * * *", "1.5 * * * *", "99999 * * * *", "jan * * * *"}) {
    EXPECT_NE(cronProblem(text), std::nullopt) << text;
  }
}

TEST(CronSyntax, RefusesDaysThatNoMonthHas) {
  EXPECT_EQ(cronProblem("0 0 30 2 *"), "no year has that day of that month");
  EXPECT_NE(cronProblem("0 0 31 4,6,9,11 *"), std::nullopt);
  EXPECT_EQ(cronProblem("0 0 31 4,5 *"), std::nullopt);
  EXPECT_EQ(cronProblem("0 0 30 2 fri"), std::nullopt) << "either day will do";
}

}  // namespace
}  // namespace agentos::contract
