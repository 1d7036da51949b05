// Floods: each ends the connection with ENHANCE_YOUR_CALM within the numbers of flood.h, and good clients never do.
#include "http/h2/flood.h"

#include <gtest/gtest.h>

#include <functional>

#include "http/h2/test_talk.h"

namespace http::h2::test {
namespace {

// How many times the frames can be sent before the connection ends; `most` when it does not.
int rounds_until_end(Talk& talk, int most, const std::function<std::string(int)>& frames) {
  for (int round = 0; round < most; ++round) {
    talk.raw(frames(round));
    talk.write();
    if (talk.has(Kind::closed)) return round;
  }
  return most;
}

void expect_calm(const Talk& talk) {
  ASSERT_EQ(talk.goaways.size(), 1u);
  EXPECT_EQ(talk.goaways[0], ErrorCode::enhance_your_calm);
  EXPECT_TRUE(talk.codec.is_finished());
}

std::string headers(StreamId stream, std::uint8_t flags = end_stream | end_headers) {
  return frame(NGHTTP2_HEADERS, flags, stream, block(get()));
}

StreamId nth(int round) { return static_cast<StreamId>(1 + 2 * round); }

TEST(FloodLimits, EndRapidReset) {
  Talk talk;
  const int rounds = rounds_until_end(talk, 1000, [&](int round) {
    for (const Seen& one : std::exchange(talk.seen, {})) {
      if (one.kind == Kind::reset) talk.codec.release(one.stream);
    }
    return headers(nth(round)) + frame(NGHTTP2_RST_STREAM, 0, nth(round), number(NGHTTP2_CANCEL));
  });
  EXPECT_EQ(rounds, 100);
  expect_calm(talk);
}

TEST(FloodLimits, CountResetStreamsThatAnAppStillWorksOn) {
  Talk talk({.flood = {.points = 1000}, .streams = 20});
  for (int round = 0; round < 60; ++round) {  // the app releases nothing
    talk.raw(headers(nth(round)) + frame(NGHTTP2_RST_STREAM, 0, nth(round), number(NGHTTP2_CANCEL)));
    talk.write();
  }
  EXPECT_EQ(talk.codec.open_streams(), 20u);
  EXPECT_EQ(std::count_if(talk.seen.begin(), talk.seen.end(), [](auto& one) { return one.kind == Kind::head; }), 20);
}

// CVE-2025-8671: the peer makes us reset its streams.
TEST(FloodLimits, EndResetsThatThePeerMakesUsSend) {
  const std::function<std::string(StreamId)> tricks[] = {
      [](StreamId id) { return headers(id) + frame(NGHTTP2_WINDOW_UPDATE, 0, id, number(0x7fffffff)); },
      [](StreamId id) {
        return frame(NGHTTP2_HEADERS, end_headers, id, block(get("/", {{"content-length", "1"}}))) +
               frame(NGHTTP2_DATA, end_stream, id, "too long");
      },
      [](StreamId id) { return frame(NGHTTP2_HEADERS, end_stream | end_headers, id, block(get("/", {{"Bad", "1"}}))); },
      [](StreamId id) { return frame(NGHTTP2_HEADERS, end_stream | end_headers, id, block({{":method", "GET"}})); },
  };
  for (const auto& trick : tricks) {
    Talk talk;
    const int rounds = rounds_until_end(talk, 1000, [&](int round) {
      for (const Seen& one : std::exchange(talk.seen, {})) {
        if (one.kind == Kind::reset) talk.codec.release(one.stream);
      }
      return trick(nth(round));
    });
    EXPECT_EQ(rounds, 100) << &trick - tricks;
    expect_calm(talk);
  }
}

TEST(FloodLimits, EndStreamsBeyondTheLimitBeforeTheSettingsAreAcknowledged) {
  Talk talk({.streams = 10});
  std::string burst;
  for (int round = 0; round < 150; ++round) burst += headers(nth(round));
  talk.raw(burst);
  EXPECT_EQ(std::count_if(talk.seen.begin(), talk.seen.end(), [](auto& one) { return one.kind == Kind::head; }), 10);
  EXPECT_TRUE(talk.has(Kind::closed));
}

TEST(FloodLimits, EndSmallContinuations) {
  Talk talk;
  const int rounds = rounds_until_end(talk, 1000, [&](int round) {
    return frame(NGHTTP2_HEADERS, end_stream, nth(round), block(get())) +
           frame(NGHTTP2_CONTINUATION, 0, nth(round), block({{"x-a", "1"}})) +
           frame(NGHTTP2_CONTINUATION, end_headers, nth(round));
  });
  EXPECT_LE(rounds, 100);
  EXPECT_TRUE(talk.has(Kind::closed));
}

TEST(FloodLimits, EndAHeadOfManyContinuations) {
  Talk talk;
  std::string burst = frame(NGHTTP2_HEADERS, end_stream, 1, block(get()));
  for (int i = 0; i < 9; ++i) burst += frame(NGHTTP2_CONTINUATION, 0, 1, block({{"x-a", "1"}}));
  talk.raw(burst);
  talk.write();
  expect_calm(talk);
}

TEST(FloodLimits, KeepNoHeadThatGrowsWithoutEnd) {
  Talk talk({.limits = {.head_bytes = 1000}});
  Fields fields(60, {"x-a", std::string(100, 'a')});
  talk.raw(frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, block(get("/", fields))));
  EXPECT_FALSE(talk.has(Kind::refused)) << "four times too large: reset, not answered";
  talk.write();
  EXPECT_EQ(talk.codec.open_streams(), 0u);
  EXPECT_FALSE(talk.has(Kind::closed));
}

TEST(FloodLimits, EndPingsSettingsAndEmptyFrames) {
  const std::pair<std::string, int> floods[] = {
      {frame(NGHTTP2_PING, 0, 0, "12345678"), 100},
      {frame(NGHTTP2_SETTINGS, 0, 0), 100},
      {frame(NGHTTP2_DATA, 0, 1), 100},
      {frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, std::string("\3\0\0\0", 4)), 100},
      {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1)), 1010},
      {frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(1)), 1010},
      {frame(NGHTTP2_PRIORITY, 0, 3, number(0) + "\x10"), 1010},
      {frame(NGHTTP2_PRIORITY_UPDATE, 0, 0, number(1) + "u=1"), 1010},
      {frame(NGHTTP2_RST_STREAM, 0, 1, number(0)), 1011},
  };
  for (const auto& [flood, most] : floods) {
    Talk talk;
    ASSERT_TRUE(talk.accepts(get(), 0));
    const int rounds = rounds_until_end(talk, 2000, [&](int) { return flood; });
    EXPECT_GE(rounds, most - 11) << testing::PrintToString(flood);
    EXPECT_LE(rounds, most) << testing::PrintToString(flood);
    expect_calm(talk);
  }
}

TEST(FloodLimits, EndAPeerThatNeverReadsItsAcknowledgements) {
  Talk talk({.flood = {.points = 100000}});
  std::string burst;
  for (int i = 0; i < 150; ++i) burst += frame(NGHTTP2_PING, 0, 0, "12345678");
  talk.raw(burst);
  EXPECT_TRUE(talk.has(Kind::closed));
  talk.write();
  expect_calm(talk);
}

TEST(FloodLimits, EndSettingsWithManyEntries) {
  Talk talk;
  std::string entries;
  for (int i = 0; i < 33; ++i) entries += std::string("\0\3\0\0\0\1", 6);
  talk.raw(frame(NGHTTP2_SETTINGS, 0, 0, entries));
  talk.write();
  expect_calm(talk);
}

// CVE-2019-9511: a tiny window, opened byte by byte.
TEST(FloodLimits, EndADribblingWindow) {
  Talk talk({}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}}});
  talk.raw(frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  ASSERT_TRUE(talk.accepts(get()));
  talk.begin_answer(1);
  talk.codec.body(1, std::string(100000, 'x')).value();
  const int rounds = rounds_until_end(talk, 2000, [&](int) { return frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(1)); });
  EXPECT_LE(rounds, 1010);
  EXPECT_GE(rounds, 990);
}

TEST(FloodLimits, WearOff) {
  Talk talk;
  const int rounds = rounds_until_end(talk, 1000, [&](int) {
    Talk::now += std::chrono::milliseconds(110);
    return frame(NGHTTP2_PING, 0, 0, "12345678");
  });
  EXPECT_EQ(rounds, 1000);
}

TEST(FloodLimits, LetAClientPingForEachPieceThatItGets) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(get()));
  talk.begin_answer(1);
  const int rounds = rounds_until_end(talk, 1000, [&](int) {
    talk.codec.body(1, "piece").value();
    talk.write();
    return frame(NGHTTP2_PING, 0, 0, "12345678") + frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(5)) +
           frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(5));
  });
  EXPECT_EQ(rounds, 1000);
}

TEST(FloodLimits, LetAGoodClientDoManyRequests) {
  Talk talk;
  for (int round = 0; round < 3000; ++round) {
    const StreamId id = talk.client.request(post(), "body");
    talk.run();
    ASSERT_TRUE(talk.has(Kind::end, id));
    talk.codec.consumed(id, 4);
    talk.answer(id, 200, "hello");
    talk.run();
    ASSERT_EQ(talk.client.replies[id].body, "hello");
    talk.seen.clear();
    talk.client.replies.clear();
  }
  EXPECT_TRUE(talk.goaways.empty());
}

}  // namespace
}  // namespace http::h2::test
