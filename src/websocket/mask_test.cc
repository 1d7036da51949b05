#include "websocket/mask.h"

#include <gtest/gtest.h>

#include <string>

namespace websocket {
namespace {

constexpr MaskKey key = 0x8f3a5c71;

std::string masked_one_by_one(std::string_view text, std::size_t offset) {
  std::string out(text);
  for (std::size_t i = 0; i < out.size(); i++)
    out[i] = static_cast<char>(out[i] ^ reinterpret_cast<const char*>(&key)[(offset + i) % 4]);
  return out;
}

TEST(Mask, AppliesTheKeyToEveryLengthAndOffset) {
  std::string text;
  for (std::size_t size = 0; size < 200; size++) {
    for (std::size_t offset = 0; offset < 5; offset++) {
      std::string out(size, '\0');
      copy_masked(out.data(), text.data(), size, turn(key, offset));
      EXPECT_EQ(out, masked_one_by_one(text, offset)) << size << " from " << offset;
    }
    text += static_cast<char>(size * 7);
  }
}

TEST(Mask, WorksInPlaceAndUndoesItself) {
  std::string text(101, 'x'), before = text;
  copy_masked(text.data(), text.data(), text.size(), key);
  EXPECT_NE(text, before);
  EXPECT_TRUE(copy_masked(text.data(), text.data(), text.size(), key));
  EXPECT_EQ(text, before);
}

TEST(Mask, TellsAsciiFromOtherBytesAnywhere) {
  for (std::size_t size = 1; size < 100; size++) {
    for (std::size_t at = 0; at < size; at++) {
      std::string text(size, 'a'), out(size, '\0');
      EXPECT_TRUE(copy_masked(out.data(), text.data(), size, 0));
      text[at] = '\x80';
      EXPECT_FALSE(copy_masked(out.data(), text.data(), size, 0)) << at << " of " << size;
    }
  }
}

}  // namespace
}  // namespace websocket
