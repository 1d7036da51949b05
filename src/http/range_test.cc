#include "http/range.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <string>

#include "http/accept_encoding.h"
#include "http/content_type.h"
#include "http/percent.h"

namespace http {
namespace {

std::string show(std::string_view value, std::uint64_t size) {
  RangeAnswer answer = parse_range(value, size);
  if (answer.kind == RangeKind::whole) return "whole";
  if (answer.kind == RangeKind::unsatisfiable) return "unsatisfiable";
  return std::to_string(answer.range.offset) + "+" + std::to_string(answer.range.length);
}

TEST(Range, OneRangeIsAPart) {
  EXPECT_EQ(show("bytes=0-0", 10), "0+1");
  EXPECT_EQ(show("bytes=2-5", 10), "2+4");
  EXPECT_EQ(show("bytes=2-", 10), "2+8");
  EXPECT_EQ(show("bytes=2-99999999999999999999999", 10), "2+8");
  EXPECT_EQ(show("bytes=9-9", 10), "9+1");
  EXPECT_EQ(show("bytes=-3", 10), "7+3");
  EXPECT_EQ(show("bytes=-30", 10), "0+10");
  EXPECT_EQ(show("Bytes=0-0", 10), "0+1");
}

TEST(Range, BeyondTheEndItCannotBeSatisfied) {
  EXPECT_EQ(show("bytes=10-", 10), "unsatisfiable");
  EXPECT_EQ(show("bytes=10-12", 10), "unsatisfiable");
  EXPECT_EQ(show("bytes=99999999999999999999999-", 10), "unsatisfiable");
  EXPECT_EQ(show("bytes=-0", 10), "unsatisfiable");
  EXPECT_EQ(show("bytes=0-", 0), "unsatisfiable");
  EXPECT_EQ(show("bytes=-5", 0), "unsatisfiable");
}

TEST(Range, WhatIsNotUnderstoodIsIgnored) {
  for (std::string_view value :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-2", "bytes=0-1,3-4", "bytes= 0-1",
        "bytes=0-1 ", "bytes=+0-1", "lines=0-1", "bytes=--1", "bytes=1-x", "bytes=0x0-1"}) {
    EXPECT_EQ(show(value, 10), "whole") << value;
  }
}

TEST(AcceptEncoding, TakesQualitiesAndWildcards) {
  auto show_codings = [](std::string_view value) {
    Acceptable a = parse_accept_encoding(value);
    return fmt::format("{} {} {}", a.br, a.zstd, a.gzip);
  };
  EXPECT_EQ(show_codings(""), "0 0 0");
  EXPECT_EQ(show_codings("gzip, deflate, br, zstd"), "1000 1000 1000");
  EXPECT_EQ(show_codings("GZIP;q=0.5, br;q=0"), "0 0 500");
  EXPECT_EQ(show_codings("*"), "1000 1000 1000");
  EXPECT_EQ(show_codings("*;q=0.125, br ; q=1.0"), "1000 125 125");
  EXPECT_EQ(show_codings("*;q=0, gzip"), "0 0 1000");
  EXPECT_EQ(show_codings("gzip;q=1.5, br;q=2, zstd;q=x"), "0 0 1000");
  EXPECT_EQ(show_codings("gzip;x=1, br;q=0.5555, zstd;q=0.5x"), "0 0 0");
  EXPECT_EQ(show_codings("x-gzip"), "0 0 1000");
}

TEST(ContentType, IsFoundByExtension) {
  EXPECT_EQ(content_type_of("a.css").name, "text/css; charset=utf-8");
  EXPECT_EQ(content_type_of("folder.d/A.JPEG").name, "image/jpeg");
  EXPECT_EQ(content_type_of("app.webmanifest").name, "application/manifest+json");
  EXPECT_EQ(content_type_of("a.tar.gz").name, "application/gzip");
  EXPECT_TRUE(content_type_of("a.svg").compressible);
  EXPECT_FALSE(content_type_of("a.woff2").compressible);
  for (std::string_view name : {"README", "folder.css/README", "a.", "a.unknown", "a.averyverylongextension", ""}) {
    EXPECT_EQ(content_type_of(name).name, "application/octet-stream") << name;
  }
}

TEST(Percent, DecodesOnce) {
  EXPECT_EQ(percent_decode("a%20b%2F%c3%A9+"), "a b/\xc3\xa9+");
  EXPECT_EQ(percent_decode("%252e"), "%2e");
  EXPECT_EQ(percent_decode(""), "");
  for (std::string_view broken : {"%", "%2", "a%zz", "%2g", "%%41"}) EXPECT_FALSE(percent_decode(broken)) << broken;
}

}  // namespace
}  // namespace http
