#include "http/response_coding.h"

#include <gmock/gmock.h>

namespace http {
namespace {

using testing::ElementsAre;
using testing::Pair;

class ResponseCodingTest : public testing::Test {
 protected:
  // A response to a client that accepts these codings.
  ResponseCoding& answer(std::string_view accepts, std::vector<std::pair<std::string_view, std::string_view>> fields,
                         int status = 200, std::string_view if_none_match = {}) {
    request_.headers = {{"accept-encoding", accepts, HeaderId::accept_encoding}};
    if (!if_none_match.empty()) request_.headers.push_back({"if-none-match", if_none_match, HeaderId::if_none_match});
    coding_.emplace(options_, request_);
    coding_->begin(status);
    for (auto [name, value] : fields) coding_->hold_back(name, value);
    return *coding_;
  }

  CodingOptions options_{.codings = {Coding::zstd, Coding::br, Coding::gzip}, .types = {}};
  RequestHead request_;
  std::optional<ResponseCoding> coding_;
};

constexpr std::pair<std::string_view, std::string_view> html{"Content-Type", "text/html; charset=utf-8"};

TEST_F(ResponseCodingTest, TheClientsWishGoesBeforeOurs) {
  EXPECT_EQ(answer("gzip, br, zstd", {html}).settle(5000), Coding::zstd);
  EXPECT_EQ(answer("gzip, br, zstd;q=0.9", {html}).settle(5000), Coding::br);
  EXPECT_EQ(answer("gzip", {html}).settle(5000), Coding::gzip);
  EXPECT_EQ(answer("", {html}).settle(5000), Coding::identity);
  EXPECT_EQ(answer("gzip;q=0, *;q=0", {html}).settle(5000), Coding::identity);
}

TEST_F(ResponseCodingTest, StreamsOfEventsGetTheLeanest) {
  EXPECT_EQ(answer("gzip, br, zstd", {{"content-type", "text/event-stream"}}).settle(std::nullopt), Coding::gzip);
  EXPECT_EQ(answer("br, zstd", {{"content-type", "text/event-stream"}}).settle(std::nullopt), Coding::zstd);
  EXPECT_EQ(answer("deflate", {{"content-type", "text/event-stream"}}).settle(std::nullopt), Coding::identity);
}

TEST_F(ResponseCodingTest, SmallBodiesAndOtherTypesStayAsTheyAre) {
  EXPECT_EQ(answer("gzip", {html}).settle(1023), Coding::identity);
  EXPECT_EQ(answer("gzip", {html}).settle(1024), Coding::gzip);
  EXPECT_EQ(answer("gzip", {html}).settle(std::nullopt), Coding::gzip);
  EXPECT_EQ(answer("gzip", {{"content-type", "image/png"}}).settle(5000), Coding::identity);
  EXPECT_EQ(answer("gzip", {}).settle(5000), Coding::identity);
}

TEST_F(ResponseCodingTest, WhatMustNotChangeStaysAsItIs) {
  using Field = std::pair<std::string_view, std::string_view>;
  for (Field field : {Field{"content-encoding", "gzip"},
                      {"Cache-Control", "private, No-Transform"},
                      {"content-range", "bytes 0-9/100"},
                      {"Content-MD5", "x"},
                      {"Digest", "x"}}) {
    EXPECT_EQ(answer("gzip", {html, field}).settle(5000), Coding::identity) << field.first;
    EXPECT_TRUE(coding_->fields(Coding::identity).empty());
  }
  for (int status : {204, 205, 206, 304}) EXPECT_EQ(answer("gzip", {html}, status).settle(5000), Coding::identity);
  EXPECT_EQ(answer("gzip", {html, {"content-encoding", "identity"}}).settle(5000), Coding::gzip);
}

TEST_F(ResponseCodingTest, TheHeadFollows) {
  auto& coding = answer("gzip", {html, {"etag", "\"a\""}, {"content-length", "5000"}, {"accept-ranges", "bytes"}});
  EXPECT_EQ(coding.declared_length(), 5000u);
  EXPECT_EQ(coding.settle(5000), Coding::gzip);
  EXPECT_THAT(coding.fields(Coding::gzip),
              ElementsAre(Pair("content-encoding", "gzip"), Pair("vary", "accept-encoding"), Pair("etag", "W/\"a\"")));
  EXPECT_THAT(coding.fields(Coding::identity),
              ElementsAre(Pair("vary", "accept-encoding"), Pair("etag", "\"a\""), Pair("content-length", "5000"),
                          Pair("accept-ranges", "bytes")));
}

TEST_F(ResponseCodingTest, VaryIsExtendedOnce) {
  auto vary = [&](std::vector<std::pair<std::string_view, std::string_view>> fields) {
    fields.push_back(html);
    answer("", fields).settle(5000);
    return coding_->fields(Coding::identity)[0].second;
  };
  EXPECT_EQ(vary({{"vary", "Cookie"}}), "Cookie, accept-encoding");
  EXPECT_EQ(vary({{"vary", "Cookie"}, {"Vary", "Origin"}}), "Cookie, Origin, accept-encoding");
  EXPECT_EQ(vary({{"vary", "Accept-Encoding, Cookie"}}), "Accept-Encoding, Cookie");
  EXPECT_EQ(vary({{"vary", "*"}}), "*");
  EXPECT_EQ(vary({{"vary", ""}}), "accept-encoding");
}

TEST_F(ResponseCodingTest, A304HasTheTagThatTheClientKnows) {
  auto tag = [&](std::string_view known) {
    answer("gzip", {{"etag", "\"a\""}}, 304, known).settle(std::nullopt);
    return coding_->fields(Coding::identity)[0].second;
  };
  EXPECT_EQ(tag("W/\"a\""), "W/\"a\"");
  EXPECT_EQ(tag("\"b\", W/\"a\""), "W/\"a\"");
  EXPECT_EQ(tag("\"a\""), "\"a\"");
}

TEST_F(ResponseCodingTest, ANewStartForgetsTheOneBefore) {
  auto& coding = answer("gzip", {html, {"content-encoding", "br"}, {"content-length", "1"}});
  coding.begin(200);
  EXPECT_FALSE(coding.declared_length());
  coding.hold_back("content-type", "text/plain");
  EXPECT_EQ(coding.settle(5000), Coding::gzip);
}

TEST(CompressibleTypes, AreThoseOfText) {
  for (std::string_view type : {"text/html", "TEXT/plain; charset=x", "application/json", "application/ld+json",
                                "image/svg+xml", "application/wasm", "font/ttf", "application/javascript ;x=y"})
    EXPECT_TRUE(is_worth_compressing(type)) << type;
  for (std::string_view type : {"", "text", "image/png", "video/mp4", "application/zip", "font/woff2",
                                "application/pdf", "application/octet-stream"})
    EXPECT_FALSE(is_worth_compressing(type)) << type;
  const std::vector<std::string> own = {"image/*", "text/html"};
  EXPECT_TRUE(is_worth_compressing("image/PNG", own));
  EXPECT_TRUE(is_worth_compressing("text/html;x", own));
  EXPECT_FALSE(is_worth_compressing("text/plain", own));
  EXPECT_FALSE(is_worth_compressing("images/png", own));
}

}  // namespace
}  // namespace http
