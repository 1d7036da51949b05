#include "base/byte_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace base {
namespace {

using nlohmann::json;

std::string there_and_back(const std::string& bytes) {
  return parse_byte_json(dump_byte_json(json{{"name", bytes}}))["name"];
}

TEST(ByteJson, TextStaysAsItIs) {
  for (std::string text : {"", "a b\n", "é", "日本", "🐍", "\xEF\x9D\xBF", "\xEF\xA0\x80"}) {
    EXPECT_EQ(text_of_bytes(text), text);
    EXPECT_EQ(there_and_back(text), text);
  }
}

TEST(ByteJson, AnyBytesComeBack) {
  EXPECT_EQ(text_of_bytes("caf\xE9"), "caf\xEF\x9F\xA9");  // U+F7E9
  EXPECT_EQ(there_and_back("caf\xE9.txt"), "caf\xE9.txt");
  std::string all;
  for (int byte = 255; byte >= 0; byte--) all += static_cast<char>(byte);
  EXPECT_EQ(there_and_back(all), all);
  // Pairs, so that every first byte meets every second one.
  for (int first = 0; first < 256; first++) {
    std::string pairs;
    for (int second = 0; second < 256; second++) pairs += {static_cast<char>(first), static_cast<char>(second), '\x80'};
    EXPECT_EQ(there_and_back(pairs), pairs) << first;
  }
}

TEST(ByteJson, WhatLooksLikeAnEscapeComesBackToo) {
  for (std::string bytes : {"\xEF\x9E\x80", "\xEF\x9F\xBF", "\xEF\x9F", "\xEF\x9E\xFF", "\xED\xA0\x80",
                            "\xF5\x80\x80\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xF4\x90\x80\x80"}) {
    EXPECT_NE(text_of_bytes(bytes), bytes);
    EXPECT_EQ(there_and_back(bytes), bytes);
  }
}

TEST(ByteJson, StringsAreConvertedAtEveryDepth) {
  json value{{"list", {"\xFF", {{"inner", "\xFE"}}}}, {"number", 1}};
  EXPECT_EQ(parse_byte_json(dump_byte_json(value, 1)), value);
}

}  // namespace
}  // namespace base
