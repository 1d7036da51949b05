#include "daemon/api/log_reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace control_plane::api {
namespace {

class LogReaderTest : public testing::Test {
 protected:
  LogReaderTest() {
    char pattern[] = "/tmp/serai-log-XXXXXX";
    folder_ = ::mkdtemp(pattern);
    file_ = folder_ / "web.log";
  }
  ~LogReaderTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text) { std::ofstream(file_, std::ios::app) << text; }
  static std::string line(const std::string& text) { return "2026-11-23T07:45:00.123Z web out " + text + "\n"; }

  std::filesystem::path folder_, file_;
};

TEST_F(LogReaderTest, ParsesTheSupervisorsLines) {
  auto parsed = parse_log_line("2026-11-23T07:45:00.123Z web err two words");
  EXPECT_EQ(parsed.time, "2026-11-23T07:45:00.123Z");
  EXPECT_EQ(parsed.process, "web");
  EXPECT_EQ(parsed.stream, "err");
  EXPECT_EQ(parsed.text, "two words");
}

TEST_F(LogReaderTest, TakesALineOfAnotherShapeAsText) { EXPECT_EQ(parse_log_line("plain words").text, "plain words"); }

TEST_F(LogReaderTest, GivesTheLastLinesThenNewOnesAcrossARotation) {
  write(line("one") + line("two") + line("three"));
  LogReader reader(file_);
  auto last = reader.last(2);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0].text, "two");
  write(line("four"));
  std::filesystem::rename(file_, folder_ / "web.log.1");
  write(line("five"));
  auto next = reader.next();
  ASSERT_EQ(next.size(), 2u);
  EXPECT_EQ(next[0].text, "four");
  EXPECT_EQ(next[1].text, "five");
}

TEST_F(LogReaderTest, WaitsForTheEndOfALine) {
  write("2026-11-23T07:45:00.123Z web out ha");
  LogReader reader(file_);
  EXPECT_TRUE(reader.last(5).empty());
  write("lf\n");
  auto next = reader.next();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].text, "half");
}

}  // namespace
}  // namespace control_plane::api
