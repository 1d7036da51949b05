#include "http/compressor.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace http {
namespace {

using Then = Compressor::Then;

// What has come of a gzip stream so far.
std::string expand(std::string_view bytes) {
  z_stream zlib{};
  EXPECT_EQ(inflateInit2(&zlib, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  zlib.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  zlib.avail_in = static_cast<uInt>(bytes.size());
  zlib.next_out = reinterpret_cast<Bytef*>(out.data());
  zlib.avail_out = static_cast<uInt>(out.size());
  inflate(&zlib, Z_SYNC_FLUSH);
  out.resize(out.size() - zlib.avail_out);
  inflateEnd(&zlib);
  return out;
}

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "row " + std::to_string(text.size() * 7919 % 10007) + "\n";
  return text;
}

constexpr Coding all_codings[] = {Coding::gzip, Coding::br, Coding::zstd};

TEST(Compressor, GivesBackWhatWentIn) {
  const std::string text = text_of(300'000);
  for (std::optional<std::uint64_t> size :
       {std::optional<std::uint64_t>(text.size()), std::optional<std::uint64_t>()}) {
    auto gzip = Compressor::create(Coding::gzip, size);
    std::string out;
    EXPECT_TRUE(gzip->add(std::string_view(text).substr(0, 1000), Then::more, out));
    EXPECT_TRUE(gzip->add(std::string_view(text).substr(1000), Then::end, out));
    EXPECT_EQ(expand(out), text);
    EXPECT_LT(out.size(), text.size() / 2);
  }
}

TEST(Compressor, AFlushLeavesNothingBehind) {
  auto gzip = Compressor::create(Coding::gzip, std::nullopt);
  std::string out, all;
  for (std::string_view piece : {"one", "two", "", "three"}) {
    EXPECT_TRUE(gzip->add(piece, Then::flush, out));
    all += piece;
    EXPECT_EQ(expand(out), all);
  }
}

TEST(Compressor, EveryCodingTakesAnySizeInAnyPieces) {
  for (Coding coding : all_codings) {
    if (!is_available(coding)) continue;
    for (std::size_t size : {0u, 1u, 100u, 70'000u, 300'000u}) {
      const std::string text = text_of(size).substr(0, size);
      auto compressor = Compressor::create(coding, size);
      ASSERT_TRUE(compressor) << coding_name(coding);
      std::string out;
      for (std::size_t at = 0; at < size; at += 4096)
        EXPECT_TRUE(compressor->add(std::string_view(text).substr(at, 4096), at % 3 ? Then::more : Then::flush, out));
      EXPECT_TRUE(compressor->add({}, Then::end, out)) << coding_name(coding) << size;
      EXPECT_FALSE(out.empty());
    }
  }
}

TEST(Compressor, MemoryIsReckonedByTheSizeOfTheBody) {
  for (Coding coding : all_codings) {
    EXPECT_LT(Compressor::memory_of(coding, 2000), Compressor::memory_of(coding, 200'000));
    EXPECT_LE(Compressor::memory_of(coding, std::nullopt), Compressor::memory_of(coding, 1 << 20));
  }
}

TEST(Compressor, NamesAreThoseOfTheRegistry) {
  EXPECT_EQ(find_coding("br"), Coding::br);
  EXPECT_EQ(find_coding("zstd"), Coding::zstd);
  EXPECT_EQ(find_coding("deflate"), std::nullopt);
  EXPECT_EQ(coding_name(Coding::gzip), "gzip");
  EXPECT_TRUE(is_available(Coding::gzip));
}

}  // namespace
}  // namespace http
