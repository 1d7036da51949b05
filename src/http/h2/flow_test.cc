// Flow control in both directions, large bodies, and how little is kept.
#include <gtest/gtest.h>

#include "http/h2/test_talk.h"

namespace http::h2::test {
namespace {

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) text[at] = static_cast<char>('a' + at % 23);
  return text;
}

StreamId begin_answer(Talk& talk) {
  const StreamId id = talk.client.request(get());
  talk.run();
  talk.begin_answer(id);
  return id;
}

TEST(Flow, LetsThePeerSendNoMoreThanTheAppTakes) {
  Talk talk({.stream_window = 10000});
  const StreamId id = talk.client.request(post(), {}, true);
  talk.run();
  talk.client.send(id, pattern(50000), true);
  talk.run();
  EXPECT_EQ(talk.body_of(id).size(), 10000u);
  talk.run();
  EXPECT_EQ(talk.body_of(id).size(), 10000u);
  talk.codec.consumed(id, 6000);
  talk.run();
  EXPECT_EQ(talk.body_of(id).size(), 16000u);
  for (int round = 0; round < 50 && !talk.has(Kind::end); ++round) {
    talk.codec.consumed(id, 10000);
    talk.run();
  }
  EXPECT_TRUE(talk.body_of(id) == pattern(50000));
}

TEST(Flow, LetsOtherStreamsSendWhileOneAppTakesNothing) {
  Talk talk({.stream_window = 10000, .connection_window = 70000});
  talk.run();  // the client knows the windows
  const StreamId stuck = talk.client.request(post(), pattern(50000));
  talk.run();
  const StreamId other = talk.client.request(post(), pattern(50000));
  talk.run();
  for (int round = 0; round < 50 && !talk.has(Kind::end, other); ++round) {
    talk.codec.consumed(other, 1 << 20);
    talk.run();
  }
  EXPECT_EQ(talk.body_of(stuck).size(), 10000u);
  EXPECT_TRUE(talk.body_of(other) == pattern(50000));
}

TEST(Flow, GivesTheConnectionsWindowBackForBodiesThatNobodyTakes) {
  Talk talk({.stream_window = 60000, .connection_window = 70000});
  for (int i = 0; i < 20; ++i) {  // 1 MB in all: without that, the second would be stuck
    const StreamId id = talk.client.request(post(), pattern(50000));
    talk.run();
    ASSERT_TRUE(talk.has(Kind::end, id)) << i;
    if (i % 3 == 0) {
      talk.answer(id, 200, "not read");
    } else if (i % 3 == 1) {
      talk.codec.reset(id, ErrorCode::cancel);
      talk.codec.release(id);
    } else {
      nghttp2_submit_rst_stream(talk.client.get(), 0, static_cast<int>(id), NGHTTP2_CANCEL);
      talk.run();
      talk.codec.release(id);
    }
    talk.run();
    EXPECT_EQ(talk.codec.open_streams(), 0u);
  }
}

TEST(Flow, FillsTheOutputToItsBrim) {
  Talk talk({}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}}});
  nghttp2_session_set_local_window_size(talk.client.get(), 0, 0, 1 << 20);
  const StreamId id = begin_answer(talk);
  talk.run();
  const std::string body = pattern(200'000);
  ASSERT_TRUE(talk.codec.body(id, body));
  ASSERT_TRUE(talk.codec.end(id));
  for (int round = 0; round < 3; ++round) {
    const std::string piece = talk.write(64 * 1024);
    EXPECT_EQ(piece.size(), 64u * 1024);
    talk.client.input(piece);
  }
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].body == body);
}

TEST(Flow, SendsNoMoreThanThePeerTakes) {
  Talk talk({}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 5000}}, .takes_body = false});
  const StreamId id = begin_answer(talk);
  ASSERT_TRUE(talk.codec.body(id, pattern(20000)));
  ASSERT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  EXPECT_EQ(talk.client.replies[id].body.size(), 5000u);
  EXPECT_EQ(talk.codec.owed(), 15000u);
  EXPECT_EQ(talk.codec.content_written(), 5000u);
  EXPECT_FALSE(talk.codec.wants_write());
  for (int round = 0; round < 50 && !talk.client.replies[id].closed; ++round) {
    nghttp2_session_consume(talk.client.get(), static_cast<int>(id), 5000);
    talk.run();
  }
  EXPECT_TRUE(talk.client.replies[id].body == pattern(20000));
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

TEST(Flow, TellsWhenAStreamIsDrainedBelowTheMark) {
  Talk talk({.low_water = 4000}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 5000}}, .takes_body = false});
  const StreamId id = begin_answer(talk);
  ASSERT_TRUE(talk.codec.body(id, pattern(100)));
  talk.run();
  EXPECT_FALSE(talk.has(Kind::drained)) << "it was never above the mark";
  ASSERT_TRUE(talk.codec.body(id, pattern(10000)));
  talk.run();
  EXPECT_EQ(talk.codec.owed(id), 5100u);
  EXPECT_FALSE(talk.has(Kind::drained));
  nghttp2_session_consume(talk.client.get(), static_cast<int>(id), 5000);
  talk.run();
  EXPECT_EQ(talk.codec.owed(id), 100u);
  ASSERT_TRUE(talk.has(Kind::drained, id));
  EXPECT_EQ(std::count_if(talk.seen.begin(), talk.seen.end(), [](auto& one) { return one.kind == Kind::drained; }), 1);
}

TEST(Flow, WritesIntoTheRoomThereIs) {
  Talk talk;
  const StreamId id = begin_answer(talk);
  talk.run();
  ASSERT_TRUE(talk.codec.body(id, pattern(60000)));
  std::string out = "before";
  talk.codec.write(out, 1);
  EXPECT_LE(out.size(), 6u + 9 + 16384);
  EXPECT_GT(out.size(), 6u + 9);
  EXPECT_TRUE(out.starts_with("before"));
  EXPECT_TRUE(talk.codec.wants_write());
  talk.client.input(std::string_view(out).substr(6));
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].body == pattern(60000));
}

TEST(Flow, SendsBytesThatSomebodyKeepsAndLetsGoOfThem) {
  Talk talk;
  const StreamId id = begin_answer(talk);
  auto kept = std::make_shared<const std::string>(pattern(100000));
  ASSERT_TRUE(talk.codec.body(id, "first ", nullptr));
  ASSERT_TRUE(talk.codec.body(id, *kept, kept));
  ASSERT_TRUE(talk.codec.body(id, " then"));
  EXPECT_EQ(kept.use_count(), 2);
  ASSERT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].body == "first " + *kept + " then");
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(Flow, LetsGoOfKeptBytesWithTheStream) {
  Talk talk;
  for (bool by_peer : {true, false}) {
    const StreamId id = begin_answer(talk);
    auto kept = std::make_shared<const std::string>(pattern(1 << 21));
    ASSERT_TRUE(talk.codec.body(id, *kept, kept));
    if (by_peer) nghttp2_submit_rst_stream(talk.client.get(), 0, static_cast<int>(id), NGHTTP2_CANCEL);
    talk.read(talk.client.output());
    if (!by_peer) talk.codec.reset(id, ErrorCode::cancel);
    EXPECT_EQ(kept.use_count(), 1);
    EXPECT_EQ(talk.codec.owed(), 0u);
    talk.codec.release(id);
    talk.run();
  }
}

class Letters : public BodySource {
 public:
  explicit Letters(std::size_t size) : text_(pattern(size)) {}
  base::Result<std::size_t> read(std::span<char> into) override {
    const std::size_t count = text_.copy(into.data(), std::min<std::size_t>(into.size(), 1000));
    text_.erase(0, count);
    return count;
  }

 private:
  std::string text_;
};

TEST(Flow, ReadsASourceWhenItCanBeSent) {
  Talk talk;
  const StreamId id = begin_answer(talk);
  ASSERT_TRUE(talk.codec.body(id, "head "));
  ASSERT_TRUE(talk.codec.body(id, std::make_unique<Letters>(30000), 30000));
  ASSERT_TRUE(talk.codec.body(id, " tail"));
  ASSERT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].body == "head " + pattern(30000) + " tail");
  EXPECT_EQ(talk.client.replies[id].code, 0u);
}

TEST(Flow, ResetsAStreamWhoseSourceFails) {
  Talk talk;
  const StreamId id = begin_answer(talk);
  ASSERT_TRUE(talk.codec.body(id, std::make_unique<Letters>(100), 30000));
  talk.run();
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(talk.client.replies[id].body, "");
  ASSERT_TRUE(talk.has(Kind::reset, id));
  EXPECT_EQ(talk.codec.owed(), 0u);
  talk.codec.release(id);
  const StreamId next = begin_answer(talk);
  ASSERT_TRUE(talk.codec.body(next, "fine"));
  talk.run();
  EXPECT_EQ(talk.client.replies[next].body, "fine");
}

TEST(Flow, CopiesOnlyWhatAWriteLeavesOfALentBody) {
  Talk talk({}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}}});
  const StreamId id = begin_answer(talk);
  for (std::size_t size : {100, 50'000, 200'000}) {
    std::string body = pattern(size);
    const std::string expected = talk.client.replies[id].body + body;
    ASSERT_TRUE(talk.codec.body(id, body, nullptr));
    const std::string first = talk.write(20'000);
    talk.codec.copy_rest(id);
    body.assign(size, '?');
    talk.client.input(first);
    ASSERT_TRUE(talk.codec.body(id, "more"));
    talk.run();
    EXPECT_TRUE(talk.client.replies[id].body == expected + "more") << size;
  }
}

TEST(Flow, KeepsWhatAWriteLeavesOfALentBodyWithAKeeper) {
  Talk talk({}, {.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}}});
  const StreamId id = begin_answer(talk);
  auto body = std::make_shared<const std::string>(pattern(200'000));
  ASSERT_TRUE(talk.codec.body(id, *body, nullptr));
  const std::string first = talk.write(20'000);
  EXPECT_EQ(talk.codec.unkept(id), talk.codec.owed(id));
  talk.codec.keep_rest(id, body);
  EXPECT_EQ(talk.codec.unkept(id), 0u);
  talk.codec.copy_rest(id);  // which does nothing now
  EXPECT_EQ(body.use_count(), 2);
  talk.client.input(first);
  talk.run();
  EXPECT_EQ(talk.client.replies[id].body, *body);
  EXPECT_EQ(body.use_count(), 1);
}

TEST(Flow, KeepsABodyThatNeverRunsDrySmall) {
  OwedBody owed;
  std::string out;
  owed.add(pattern(10000));
  std::string expected = pattern(10000);
  for (int i = 0; i < 10000; ++i) {
    owed.add("0123456789");
    expected += "0123456789";
    ASSERT_TRUE(owed.take(10, out));
  }
  EXPECT_EQ(owed.size(), 10000u);
  ASSERT_TRUE(owed.take(10000, out));
  EXPECT_TRUE(out == expected);
}

}  // namespace
}  // namespace http::h2::test
