#include "http/h2/frame_scan.h"

#include <gtest/gtest.h>

#include <vector>

#include "http/h2/own_resets.h"
#include "http/h2/test_talk.h"

namespace http::h2::test {
namespace {

std::vector<FrameHeader> scan(std::string_view bytes, std::size_t piece) {
  FrameScan scan;
  std::vector<FrameHeader> found;
  while (!bytes.empty()) {
    const std::size_t size = scan.next(bytes.substr(0, piece));
    EXPECT_GT(size, 0u);
    if (scan.begun()) found.push_back(*scan.begun());
    bytes.remove_prefix(size);
  }
  return found;
}

TEST(FrameScan, FindsEachFrameHoweverTheBytesAreCut) {
  const std::string bytes = std::string(preface) + frame(NGHTTP2_SETTINGS, 0, 0) +
                            frame(NGHTTP2_DATA, 0, 0x80000003, std::string(300, 'x')) +
                            frame(NGHTTP2_PRIORITY, 0, 5, number(0x80000007) + "w") +
                            frame(NGHTTP2_PRIORITY, 0, 5, "bad") + frame(NGHTTP2_PING, 0, 0, "12345678");
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const std::vector<FrameHeader> found = scan(bytes, piece);
    ASSERT_EQ(found.size(), 5u) << piece;
    EXPECT_EQ(found[0].type, NGHTTP2_SETTINGS);
    EXPECT_EQ(found[1].length, 300u);
    EXPECT_EQ(found[1].stream, 3u);
    EXPECT_EQ(found[1].dependency, 0u);
    EXPECT_EQ(found[2].stream, 5u);
    EXPECT_EQ(found[2].dependency, 7u);
    EXPECT_EQ(found[3].dependency, 0u);
    EXPECT_EQ(found[4].type, NGHTTP2_PING);
  }
}

TEST(FrameScan, EndsAtTheEndOfEachFrame) {
  FrameScan scan;
  EXPECT_EQ(scan.next(preface), preface.size());
  EXPECT_FALSE(scan.begun());
  const std::string one = frame(NGHTTP2_DATA, 0, 1, "abc"), two = one + one;
  EXPECT_EQ(scan.next(two), one.size());
  EXPECT_TRUE(scan.begun());
  EXPECT_EQ(scan.next(std::string_view(one).substr(0, 10)), 10u);
  EXPECT_TRUE(scan.begun());
  EXPECT_EQ(scan.next("bc" + one), 2u);
  EXPECT_FALSE(scan.begun());
}

TEST(OwnResets, RemembersTheLastOnesAndTakesOlderOnesForSome) {
  OwnResets resets;
  EXPECT_FALSE(resets.may_hold(1));
  resets.add(101);
  EXPECT_TRUE(resets.may_hold(101));
  EXPECT_FALSE(resets.may_hold(99));
  for (StreamId id = 201; id < 201 + 2 * 64; id += 2) resets.add(id);
  EXPECT_TRUE(resets.may_hold(101));
  EXPECT_TRUE(resets.may_hold(99)) << "not known any more";
  EXPECT_FALSE(resets.may_hold(103));
  EXPECT_TRUE(resets.may_hold(201));
}

// --- what the codec makes of it -------------------------------------------------------------------------------------

struct Ending {
  std::string name;
  std::string bytes;
  ErrorCode code;
};

class Misplaced : public testing::TestWithParam<Ending> {};

TEST_P(Misplaced, EndsTheConnection) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(get(), 0));
  talk.raw(GetParam().bytes);
  talk.write();
  ASSERT_EQ(talk.goaways.size(), 1u);
  EXPECT_EQ(talk.goaways[0], GetParam().code);
  EXPECT_TRUE(talk.codec.is_finished());
}

const std::string reset_1 = frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL));
const std::string head_1 = frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, block(get()));

INSTANTIATE_TEST_SUITE_P(
    Frames, Misplaced,
    testing::Values(
        Ending{"DataBehindTheEnd", frame(NGHTTP2_DATA, end_stream, 1, "x") + frame(NGHTTP2_DATA, end_stream, 1, "x"),
               ErrorCode::stream_closed},
        Ending{"DataBehindAReset", reset_1 + frame(NGHTTP2_DATA, 0, 1, "x"), ErrorCode::stream_closed},
        Ending{"HeadersBehindAReset", reset_1 + head_1, ErrorCode::stream_closed},
        Ending{"PriorityOnItself", frame(NGHTTP2_PRIORITY, 0, 1, number(1) + "w"), ErrorCode::protocol_error}),
    [](const auto& tested) { return tested.param.name; });

TEST(Misplaced, DataOfAStreamThatIsWholeEndsTheConnection) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(get()));
  talk.answer(1);
  talk.write();
  ASSERT_EQ(talk.codec.open_streams(), 0u);
  talk.raw(frame(NGHTTP2_DATA, end_stream, 1, "x"));
  talk.write();
  ASSERT_EQ(talk.goaways.size(), 1u);
  EXPECT_EQ(talk.goaways[0], ErrorCode::stream_closed);
}

TEST(Misplaced, WhatWasOnItsWayWhenWeResetAStreamIsDropped) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(post(), 0));
  talk.codec.reset(1, ErrorCode::internal_error);
  talk.raw(frame(NGHTTP2_DATA, 0, 1, "before the reset is sent"));
  talk.write();
  talk.codec.release(1);
  talk.raw(frame(NGHTTP2_DATA, 0, 1, "after") +
           frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, block({{"x", "y"}})));
  EXPECT_FALSE(talk.has(Kind::body));
  EXPECT_TRUE(talk.accepts(get())) << "the connection goes on";
  EXPECT_TRUE(talk.goaways.empty());
}

TEST(Misplaced, TheRestOfAnUnwantedBodyIsDropped) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(post(), 0));
  talk.answer(1, 413);
  talk.write();
  talk.raw(frame(NGHTTP2_DATA, end_stream, 1, "rest"));
  EXPECT_TRUE(talk.accepts(get()));
  EXPECT_TRUE(talk.goaways.empty());
}

TEST(Misplaced, BodiesOfStreamsBeyondTheLimitAreDropped) {
  Talk talk({.streams = 2});
  for (int i = 0; i < 4; ++i) talk.accepts(post(), 0);
  ASSERT_EQ(talk.codec.open_streams(), 2u);
  talk.raw(frame(NGHTTP2_DATA, end_stream, 5, "x"));  // before the refusal is sent
  talk.write();
  talk.raw(frame(NGHTTP2_DATA, end_stream, 7, "x"));
  talk.answer(1);
  talk.write();
  EXPECT_TRUE(talk.accepts(get()));
  EXPECT_TRUE(talk.goaways.empty());
}

}  // namespace
}  // namespace http::h2::test
