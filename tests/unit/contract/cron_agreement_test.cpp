// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "company/schedule.h"
#include "contract/cron_syntax.h"

namespace agentos {
namespace {

constexpr std::array kItems = {"*",
                               "0",
                               "1",
                               "7",
                               "8",
                               "12",
                               "13",
                               "23",
                               "24",
                               "31",
                               "32",
                               "59",
                               "60",
                               "007",
                               "*/2",
                               "*/0",
                               "*/",
                               "*/60",
                               "*/7",
                               "7/15",
                               "1-5",
                               "5-1",
                               "5-5",
                               "1-5/2",
                               "1-",
                               "-1",
                               "1-2-3",
                               "1,2",
                               "1,",
                               ",1",
                               ",",
                               "1,,2",
                               "jan",
                               "DEC",
                               "sun",
                               "Mon-Fri",
                               "fri-mon",
                               "foo",
                               "**",
                               "*-5",
                               "1.5",
                               "+1",
                               "0x1",
                               "@daily",
                               "99999999999",
                               "4294967297",
                               "*/99999999999",
                               "jan/2",
                               "*/1/2",
                               "1/",
                               "/",
                               "?",
                               "L",
                               "é"};

// A contract that loads must never surprise the scheduler.
TEST(CronAgreement, WhatAContractMaySayTheSchedulerCompute) {
  for (std::size_t field = 0; field < 5; ++field) {
    for (const char* item : kItems) {
      std::string text;
      for (std::size_t at = 0; at < 5; ++at) text += (at == 0 ? "" : " ") + std::string(at == field ? item : "*");
      EXPECT_EQ(!contract::cronProblem(text), company::Cron::parse(text).has_value()) << text;
    }
  }
  for (const char* text : {"", " ", "*", "* * * *", "* * * * * *", "@hourly", "\t*  * * *\t* "}) {
    EXPECT_EQ(!contract::cronProblem(text), company::Cron::parse(text).has_value()) << text;
  }
}

// … and one that is refused as never due is truly never due.
TEST(CronAgreement, OnWhatNeverComes) {
  const Timestamp start = std::chrono::sys_days{std::chrono::year{2026} / 1 / 1};
  for (int month = 1; month <= 12; ++month) {
    for (int day = 28; day <= 31; ++day) {
      const std::string text = "0 0 " + std::to_string(day) + " " + std::to_string(month) + " *";
      const bool comes = company::Cron::parse(text).value().next(start, "UTC").has_value();
      EXPECT_EQ(!contract::cronProblem(text), comes) << text;
    }
  }
}

}  // namespace
}  // namespace agentos
