#include "websocket/deflate.h"

#include <gtest/gtest.h>

#include <random>

namespace websocket {
namespace {

using Outcome = Decompressor::Outcome;
constexpr std::size_t no_limit = 1 << 30;

std::string words(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text;
  while (text.size() < size) text += random() % 3 ? "socket " : std::to_string(random());
  return text;
}

std::string expand(Decompressor& decompressor, std::string_view payload) {
  std::string text;
  EXPECT_EQ(decompressor.add(payload, text, no_limit), Outcome::fine);
  EXPECT_EQ(decompressor.finish(text, no_limit), Outcome::fine);
  return text;
}

TEST(Deflate, GivesEveryMessageBackWithEveryWindowAndContext) {
  for (std::uint8_t bits = 9; bits <= 15; bits++) {
    for (bool keeps : {true, false}) {
      DeflateStream stream{bits, keeps};
      Compressor compressor(stream);
      Decompressor decompressor(stream);
      for (unsigned i = 0; i < 20; i++) {
        std::string text = words(i * i * 97, i), payload;
        ASSERT_TRUE(compressor.compress(text, payload));
        ASSERT_EQ(expand(decompressor, payload), text) << int{bits} << " bits, message " << i;
        if (i == 10) compressor.release();
      }
    }
  }
}

TEST(Deflate, ExpandsWithoutALimit) {
  Compressor compressor({});
  std::string text = words(200'000, 1), payload, expanded;
  ASSERT_TRUE(compressor.compress(text, payload));
  Decompressor decompressor({});
  EXPECT_EQ(decompressor.add(payload, expanded, SIZE_MAX), Outcome::fine);
  EXPECT_EQ(decompressor.finish(expanded, SIZE_MAX), Outcome::fine);
  EXPECT_EQ(expanded, text);
}

TEST(Deflate, RemembersTheLastMessageOnlyWhereItMay) {
  std::string text = words(900, 1);
  for (bool keeps : {true, false}) {
    Compressor compressor({15, keeps});
    std::string first, second;
    ASSERT_TRUE(compressor.compress(text, first));
    ASSERT_TRUE(compressor.compress(text, second));
    EXPECT_EQ(second.size() < first.size() / 4, keeps);
  }
}

TEST(Deflate, DecompressesTheExamplesOfTheRfc) {
  // RFC 7692 section 7.2.3: one block, shared window, a block without compression, BFINAL set, two blocks.
  Decompressor decompressor({});
  EXPECT_EQ(expand(decompressor, std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
  EXPECT_EQ(expand(decompressor, std::string_view("\xf2\x00\x11\x00\x00", 5)), "Hello");
  EXPECT_EQ(expand(decompressor, std::string_view("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11)), "Hello");
  EXPECT_EQ(expand(decompressor, std::string_view("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8)), "Hello");
  EXPECT_EQ(expand(decompressor, std::string_view("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13)),
            "Hello");
  // A final block at the very end.
  EXPECT_EQ(expand(decompressor, std::string_view("\xf3\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
  EXPECT_EQ(expand(decompressor, std::string_view("\xf2\x48\xcd\xc9\xc9\x07\x00", 7)), "Hello");
}

TEST(Deflate, StopsABombAtTheLimit) {
  Compressor compressor({});
  std::string payload, text;
  ASSERT_TRUE(compressor.compress(std::string(100 << 20, '0'), payload));
  EXPECT_LT(payload.size(), 1u << 20);
  Decompressor decompressor({});
  EXPECT_EQ(decompressor.add(payload, text, 1 << 20), Outcome::too_large);
  EXPECT_LE(text.size(), (1u << 20) + 1);
}

TEST(Deflate, TakesAMessageThatJustFits) {
  for (std::size_t size : {0, 1, 255, 256, 257, 65536, 200000}) {
    for (std::size_t limit : {size, size - std::min<std::size_t>(size, 1)}) {
      Compressor compressor({});
      Decompressor decompressor({});
      std::string payload, text;
      ASSERT_TRUE(compressor.compress(std::string(size, 'x'), payload));
      Outcome outcome = decompressor.add(payload, text, limit);
      if (outcome == Outcome::fine) outcome = decompressor.finish(text, limit);
      EXPECT_EQ(outcome, limit == size ? Outcome::fine : Outcome::too_large) << size << " with " << limit;
    }
  }
}

TEST(Deflate, RefusesWhatIsNotDeflated) {
  Decompressor decompressor({});
  std::string text;
  EXPECT_EQ(decompressor.add("\xff\xff\xff\xff", text, no_limit), Outcome::corrupt);
}

}  // namespace
}  // namespace websocket
