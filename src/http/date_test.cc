#include "http/date.h"

#include <gtest/gtest.h>

#include <string>

namespace http {
namespace {

std::string format(std::time_t when) {
  std::string text(date_length, ' ');
  format_date(when, text.data());
  return text;
}

TEST(Date, IsWrittenAsImfFixdate) {
  EXPECT_EQ(format(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(Date, AllThreeFormsOfTheRfcAreRead) {
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
  EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
}

TEST(Date, WhatIsWrittenReadsBack) {
  for (std::time_t when = 0; when < 4000000000; when += 12345678) EXPECT_EQ(parse_date(format(when)), when);
}

TEST(Date, OtherTextIsNoDate) {
  for (std::string_view text :
       {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
        "1700000000", "Sun, 06 Nov 1994 08:49:3x GMT"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

TEST(Date, TheCurrentOneIsNow) {
  auto now = parse_date(current_date());
  ASSERT_TRUE(now);
  EXPECT_NEAR(static_cast<double>(*now), static_cast<double>(std::time(nullptr)), 2);
}

}  // namespace
}  // namespace http
