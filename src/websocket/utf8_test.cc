#include "websocket/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace websocket {
namespace {

// By the definition: decode each character and look whether encoding it again gives the same bytes.
bool is_utf8_by_definition(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto lead = static_cast<unsigned char>(text[at]);
    std::size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (size == 0 || at + size > text.size()) return false;
    unsigned code = size == 1 ? lead : lead & (0x7f >> size);
    for (std::size_t i = 1; i < size; i++) {
      auto byte = static_cast<unsigned char>(text[at + i]);
      if (byte >> 6 != 2) return false;
      code = code << 6 | (byte & 0x3f);
    }
    constexpr unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    at += size;
  }
  return true;
}

// The same bytes at every position relative to the blocks that are checked at once.
void expect_as_defined(const std::string& bytes) {
  const bool right = is_utf8_by_definition(bytes);
  for (std::size_t before : {0, 13, 15, 30, 47}) {
    for (std::size_t after : {0, 20}) {
      std::string text = std::string(before, 'a') + "é" + std::string(14, 'b') + bytes + std::string(after, 'c');
      ASSERT_EQ(is_utf8(text), right) << testing::PrintToString(bytes) << " at " << before;
    }
  }
}

TEST(Utf8, JudgesEveryPairOfBytesAsDefined) {
  for (int first = 0; first < 256; first++)
    for (int second = 0; second < 256; second++)
      expect_as_defined({static_cast<char>(first), static_cast<char>(second)});
}

TEST(Utf8, JudgesLongerCharactersAsDefined) {
  const std::string edges = "\x00\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xff";
  for (int first = 0xe0; first < 256; first++)
    for (char second : edges)
      for (char third : edges) {
        expect_as_defined({static_cast<char>(first), second, third});
        for (char fourth : edges) expect_as_defined({static_cast<char>(first), second, third, fourth});
      }
}

TEST(Utf8, JudgesRandomTextInAnyPiecesAsDefined) {
  std::mt19937 random(7);
  const std::string parts[] = {"a",   "plain text of some length ", "é", "€", "😀", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf",
                               "\x80"};
  for (int round = 0; round < 20000; round++) {
    std::string text;
    for (unsigned count = random() % 24; count > 0; count--) text += parts[random() % (random() % 8 ? 7 : 8)];
    if (random() % 8 == 0 && !text.empty()) text.pop_back();
    const bool right = is_utf8_by_definition(text);
    ASSERT_EQ(is_utf8(text), right) << testing::PrintToString(text);
    Utf8Check check;
    bool valid = true;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t size = 1 + random() % 40;
      valid = check.add(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(valid && check.is_complete(), right) << testing::PrintToString(text);
  }
}

TEST(Utf8, FailsAtTheFirstByteThatCannotBeRight) {
  for (std::string_view start : {"\xe0\x80", "\xed\xa0", "\xf0\x8f", "\xf4\x90", "\xf5", "\xc1", "\x80"}) {
    Utf8Check check;
    EXPECT_TRUE(check.add("κόσμε")) << "the text before";
    EXPECT_FALSE(check.add(start)) << testing::PrintToString(start);
    EXPECT_FALSE(check.add("a"));
  }
}

}  // namespace
}  // namespace websocket
