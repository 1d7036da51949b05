#include "http/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace http {
namespace {

using base::LogFormat;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using namespace std::string_view_literals;

AccessEntry plain_entry() {
  return {.peer = "192.0.2.7",
          .method = "GET",
          .target = "/a?b",
          .host = "shop.example",
          .user_agent = "curl/8 (x)",
          .app = "shop",
          .request_id = "6f1c",
          .status = 200,
          .bytes_out = 5120,
          .bytes_in = 3,
          .duration = std::chrono::microseconds(2001234)};
}

std::string line(const AccessEntry& entry, LogFormat format) {
  std::string out;
  append_access_line(entry, format, out);
  return out;
}

TEST(AccessLog, TextIsTheCombinedFormatWithMoreBehindIt) {
  constexpr std::string_view shape =
      "192\\.0\\.2\\.7 - - \\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \\+0000\\] "
      "\"GET /a\\?b HTTP/1\\.1\" 200 5120 \"-\" \"curl/8 \\(x\\)\" 2\\.001234 shop 6f1c\n";
  EXPECT_THAT(line(plain_entry(), LogFormat::text), MatchesRegex(std::string(shape)));
}

TEST(AccessLog, JsonHasTheSameFields) {
  auto json = nlohmann::json::parse(line(plain_entry(), LogFormat::json));
  EXPECT_EQ(json["peer"], "192.0.2.7");
  EXPECT_EQ(json["target"], "/a?b");
  EXPECT_EQ(json["protocol"], "HTTP/1.1");
  EXPECT_EQ(json["status"], 200);
  EXPECT_EQ(json["bytes_out"], 5120);
  EXPECT_EQ(json["bytes_in"], 3);
  EXPECT_DOUBLE_EQ(json["duration"].get<double>(), 2.001234);
  EXPECT_FALSE(json.contains("referer"));
  EXPECT_FALSE(json.contains("aborted"));
}

TEST(AccessLog, BytesThatWereNoRequestHaveALineToo) {
  AccessEntry entry{.peer = "::1", .status = 400};
  EXPECT_THAT(line(entry, LogFormat::text), HasSubstr(R"(] "-" 400 0 "-" "-" 0.000000 - -)"));
  EXPECT_EQ(nlohmann::json::parse(line(entry, LogFormat::json))["status"], 400);
}

TEST(AccessLog, NothingAClientSendsForgesALineOrAField) {
  AccessEntry entry = plain_entry();
  entry.user_agent = "x\" 200 \n\r\t\\ \x1b[31m \xc3\xa9 \0end"sv;
  entry.peer = "a b\"c";
  entry.aborted = true;
  std::string text = line(entry, LogFormat::text);
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_THAT(text, HasSubstr(R"("x\" 200 \x0a\x0d\x09\\ \x1b[31m \xc3\xa9 \x00end" 2.0)"));
  EXPECT_TRUE(text.starts_with(R"(a_b\"c - - [)")) << text;
  EXPECT_TRUE(text.ends_with(" aborted\n"));
  std::string json = line(entry, LogFormat::json);
  EXPECT_EQ(std::ranges::count(json, '\n'), 1);
  EXPECT_THAT(nlohmann::json::parse(json)["user_agent"].get<std::string>(), HasSubstr("x\" 200 \n\r\t\\ "));
  EXPECT_EQ(nlohmann::json::parse(json)["aborted"], true);
}

class AccessLogFile : public ::testing::Test {
 protected:
  AccessLogFile() : path_(::testing::TempDir() + "access-" + std::to_string(::getpid()) + ".log") {
    std::filesystem::remove(path_);
  }
  ~AccessLogFile() override {
    std::filesystem::remove(path_);
    std::filesystem::remove(path_ + ".1");
  }
  std::size_t lines(const std::string& path) {
    auto content = base::read_file(path, 64 << 20);
    return content ? static_cast<std::size_t>(std::ranges::count(*content, '\n')) : 0;
  }
  std::string path_;
};

TEST_F(AccessLogFile, LinesAreWrittenTogetherAndNoneIsLost) {
  auto log = AccessLog::open(path_, LogFormat::text).value();
  log.add(plain_entry());
  EXPECT_EQ(lines(path_), 0u);
  EXPECT_TRUE(log.has_unwritten());
  for (int i = 1; i < 2000; ++i) log.add(plain_entry());
  EXPECT_GT(lines(path_), 0u);
  log.flush();
  EXPECT_EQ(lines(path_), 2000u);
  EXPECT_EQ(log.dropped(), 0u);
}

TEST_F(AccessLogFile, AfterARotationLinesGoToTheNewFile) {
  auto log = AccessLog::open(path_, LogFormat::text).value();
  log.add(plain_entry());
  std::filesystem::rename(path_, path_ + ".1");
  ASSERT_TRUE(log.reopen());
  log.add(plain_entry());
  log.flush();
  EXPECT_EQ(lines(path_ + ".1"), 1u);
  EXPECT_EQ(lines(path_), 1u);
}

TEST_F(AccessLogFile, AFolderThatIsNotThereIsAnError) {
  auto log = AccessLog::open("/no/such/folder/access.log", LogFormat::text);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().describe(), HasSubstr("/no/such/folder/access.log"));
}

TEST(AccessLog, AFullPipeNeverBlocksAndWhatDoesNotFitIsCounted) {
  auto pipe = base::pipe().value();
  ASSERT_TRUE(base::set_nonblocking(pipe.write.get(), true));
  AccessLog log(pipe.write.get(), LogFormat::text);
  for (int i = 0; i < 100000; ++i) log.add(plain_entry());
  EXPECT_GT(log.dropped(), 0u);
  std::uint64_t before = log.dropped();
  pipe.read.close();
  ::signal(SIGPIPE, SIG_IGN);
  log.flush();
  EXPECT_GT(log.dropped(), before);
  EXPECT_FALSE(log.has_unwritten());
}

TEST(AccessLog, WithoutADescriptorItIsSilent) {
  AccessLog log(-1, LogFormat::text);
  log.add(plain_entry());
  EXPECT_FALSE(log.has_unwritten());
}

}  // namespace
}  // namespace http
