#include "image/skopeo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace image {
namespace {

using base::Kind;
using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRegistry = "registry.example.org:5000";

std::string line(const std::string& message) {
  return "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"" + message + "\"\n";
}

// As skopeo 1.9.3 and Debian's docker-registry 2.8.2 say it.
TEST(SkopeoTest, ItsComplaintsSayWhatToDo) {
  struct Case {
    const char* said;
    Kind kind;
    const char* advice;
  };
  for (const auto& one : std::initializer_list<Case>{
           {R"(Get \"https://r/v2/\": http: server gave HTTP response to HTTPS client)", Kind::unavailable,
            "--insecure"},
           {"x509: certificate signed by unknown authority", Kind::unavailable, "certs.d/registry.example.org:5000"},
           {"unauthorized: authentication required", Kind::denied, "skopeo login registry.example.org:5000"},
           {"reading manifest r9 in r/shop: manifest unknown", Kind::not_found, "tag"},
           {"dial tcp: lookup r on 10.0.0.1:53: no such host", Kind::unavailable, "resolve"},
           {"dial tcp 127.0.0.1:1: connect: connection refused", Kind::unavailable, "running"},
           {"something else", Kind::unavailable, "https://registry.example.org:5000/v2/"}}) {
    auto error = explain_skopeo(line(one.said), kRegistry, Errand::push);
    EXPECT_EQ(error.kind(), one.kind) << one.said;
    EXPECT_THAT(error.advice(), HasSubstr(one.advice));
  }
}

TEST(SkopeoTest, WhatTheDaemonFetchesIsSetOnTheHost) {
  auto plain = explain_skopeo(line("http: server gave HTTP response to HTTPS client"), kRegistry, Errand::fetch);
  EXPECT_THAT(plain.advice(), HasSubstr("`insecure = true` of registry.example.org:5000 in /etc/containers/"));
  auto closed = explain_skopeo(line("unauthorized: authentication required"), kRegistry, Errand::fetch);
  EXPECT_THAT(closed.advice(), HasSubstr("as the daemon's user"));
}

TEST(SkopeoTest, OfItsOutputTheMessageOfTheLastLineIsShown) {
  auto said = "time=\"x\" level=warning msg=\"first\"\n" + line(R"(pinging \"https://r/\": gone)");
  EXPECT_EQ(explain_skopeo(said, kRegistry, Errand::push).message(), R"(pinging "https://r/": gone)");
  EXPECT_EQ(explain_skopeo("skopeo ended with signal 9", kRegistry, Errand::push).message(),
            "skopeo ended with signal 9");
  EXPECT_EQ(explain_skopeo("level=fatal msg=bare", kRegistry, Errand::push).message(), "bare");
  EXPECT_EQ(explain_skopeo("level=fatal msg=\"cut off\\", kRegistry, Errand::push).message(), "cut off\\");
  EXPECT_EQ(explain_skopeo("", kRegistry, Errand::push).message(), "");
}

TEST(SkopeoTest, ALayoutThatIsNotThereIsNamed) {
  auto pushed = push_image({.layout = "/nowhere", .name = "shop:r1", .to = {"r.io", "shop", "", ""}});
  ASSERT_FALSE(pushed);
  EXPECT_THAT(pushed.error().describe(), HasSubstr("/nowhere/index.json"));
}

}  // namespace
}  // namespace image
