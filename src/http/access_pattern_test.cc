#include "http/access_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace http {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

AccessEntry entry() {
  return {.peer = "192.0.2.7",
          .method = "GET",
          .target = "/a b?c=\"d",
          .referer = "http://x/",
          .user_agent = "curl/8 (x)",
          .status = 200,
          .bytes_out = 5120,
          .duration = std::chrono::microseconds(2001234)};
}

std::string line(std::string_view pattern, const AccessEntry& entry) {
  auto parsed = AccessPattern::parse(pattern);
  EXPECT_TRUE(parsed) << parsed.error().describe();
  std::string out;
  if (parsed) parsed->append(entry, out);
  return out;
}

TEST(AccessPattern, KnowsGunicornsAtoms) {
  EXPECT_THAT(line(R"x(%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s")x", entry()),
              MatchesRegex(R"x(192\.0\.2\.7 - - \[.*\+0000\] "GET /a b\?c=\\"d HTTP/1\.1" 200 5120 .*)x"
                           R"x("http://x/" "curl/8 \(x\)".)x"));
  EXPECT_EQ(line("%(m)s %(U)s %(q)s %(H)s %(B)s", entry()), "GET /a_b c=\\\"d HTTP/1.1 5120\n");
  EXPECT_EQ(line("%(T)s %(M)s %(D)s %(L)s %(p)s", entry()),
            "2 2001 2001234 2.001234 " + std::to_string(::getpid()) + "\n");
  EXPECT_EQ(line("100%%", entry()), "100%\n");
}

TEST(AccessPattern, ShowsWhatIsMissingAsDashes) {
  AccessEntry empty;
  EXPECT_EQ(line("%(h)s|%(r)s|%(m)s|%(U)s|%(q)s|%(H)s|%(b)s|%(B)s|%(f)s|%({x}i)s", empty), "-|-|-|-||-|-|0|-|-\n");
}

TEST(AccessPattern, ShowsRequestHeadersEscaped) {
  auto pattern = AccessPattern::parse("%({X-Request-Id}i)s %({traceparent}i)s");
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->headers(), (std::vector<std::string>{"X-Request-Id", "traceparent"}));
  const std::vector<std::string> values = {"one\ntwo", ""};
  AccessEntry shown = entry();
  shown.shown_headers = values;
  std::string out;
  pattern->append(shown, out);
  EXPECT_EQ(out, "one\\x0atwo -\n");
}

TEST(AccessPattern, RefusesWhatItDoesNotKnow) {
  for (const char* wrong : {"%h", "%(h)", "%(x)s", "%({a}o)s", "100%", "%(hh)s", "%({a)s"}) {
    auto pattern = AccessPattern::parse(wrong);
    ASSERT_FALSE(pattern) << wrong;
    EXPECT_THAT(pattern.error().describe(), HasSubstr("access log"));
  }
}

}  // namespace
}  // namespace http
