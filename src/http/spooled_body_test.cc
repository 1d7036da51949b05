#include "http/spooled_body.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace http {
namespace {

std::string whole(const SpooledBody& body) {
  std::string all(body.size() + 10, '?');
  std::size_t at = 0;
  while (auto got = body.read_at(at, std::span(all).subspan(at)).value()) at += got;
  all.resize(at);
  return all;
}

TEST(SpooledBody, ASmallOneStaysInMemory) {
  SpooledBody body({.memory_bytes = 8});
  ASSERT_TRUE(body.append("1234"));
  ASSERT_TRUE(body.append("5678"));
  EXPECT_FALSE(body.is_in_file());
  EXPECT_EQ(body.memory(), "12345678");
  EXPECT_EQ(whole(body), "12345678");
}

TEST(SpooledBody, ALargeOneMovesToAFileThatHasNoName) {
  SpooledBody body({.memory_bytes = 8, .folder = ::testing::TempDir()});
  ASSERT_TRUE(body.append("12345678"));
  ASSERT_TRUE(body.append("9"));
  ASSERT_TRUE(body.append("ab"));
  EXPECT_TRUE(body.is_in_file());
  EXPECT_TRUE(body.memory().empty());
  EXPECT_EQ(body.size(), 11u);
  EXPECT_EQ(whole(body), "123456789ab");
  char link[256] = {};
  std::string proc = "/proc/self/fd/" + std::to_string(body.file());
  ASSERT_GT(::readlink(proc.c_str(), link, sizeof link - 1), 0);
  EXPECT_NE(std::string_view(link).find("(deleted)"), std::string_view::npos);
}

TEST(SpooledBody, GathersSmallPiecesOnTheirWayToTheFile) {
  SpooledBody body({.memory_bytes = 8});
  std::string expected;
  struct stat file{};
  for (int i = 0; i < 100'000; i++) {
    std::string piece = std::to_string(i);
    expected += piece;
    ASSERT_TRUE(body.append(piece));
    if (i != 1000) continue;
    ASSERT_EQ(::fstat(body.file(), &file), 0);
    EXPECT_LT(static_cast<std::size_t>(file.st_size), expected.size()) << "each piece was written for itself";
    EXPECT_EQ(whole(body), expected);
  }
  std::string large(200'000, 'x');
  ASSERT_TRUE(body.append(large));
  ASSERT_TRUE(body.append("end"));
  expected += large + "end";
  EXPECT_EQ(whole(body), expected);
  ASSERT_TRUE(body.complete());
  ASSERT_EQ(::fstat(body.file(), &file), 0);
  EXPECT_EQ(static_cast<std::size_t>(file.st_size), expected.size());
  EXPECT_EQ(whole(body), expected);
  ASSERT_TRUE(body.append("!"));
  EXPECT_EQ(whole(body), expected + '!');
}

TEST(SpooledBody, ReadsFromTheMiddleAndNothingPastTheEnd) {
  SpooledBody body({.memory_bytes = 2});
  ASSERT_TRUE(body.append("abcdef"));
  char piece[3];
  EXPECT_EQ(body.read_at(2, piece).value(), 3u);
  EXPECT_EQ(std::string_view(piece, 3), "cde");
  EXPECT_EQ(body.read_at(6, piece).value(), 0u);
  EXPECT_EQ(body.read_at(600, piece).value(), 0u);
}

TEST(SpooledBody, BeyondItsLimitItRefusesAndKeepsWhatItHad) {
  SpooledBody body({.memory_bytes = 4, .limit_bytes = 6});
  ASSERT_TRUE(body.append("abcde"));
  auto refused = body.append("fg");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::overloaded);
  EXPECT_EQ(whole(body), "abcde");
}

TEST(SpooledBody, AFolderThatIsNotThereIsNamedInTheError) {
  SpooledBody body({.memory_bytes = 1, .folder = "/no/such/folder"});
  auto failed = body.append("ab");
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().describe().find("/no/such/folder"), std::string::npos);
}

TEST(SpooledBody, ClearingGivesTheFileBackAndStartsAnew) {
  SpooledBody body({.memory_bytes = 1});
  ASSERT_TRUE(body.append("abc"));
  body.clear();
  EXPECT_FALSE(body.is_in_file());
  EXPECT_EQ(body.size(), 0u);
  ASSERT_TRUE(body.append("x"));
  EXPECT_EQ(whole(body), "x");
}

}  // namespace
}  // namespace http
