// Requests and answers of a well-behaved client.
#include "http/h2/server_codec.h"

#include <gtest/gtest.h>

#include "http/h2/test_talk.h"

namespace http::h2::test {
namespace {

std::string describe(const std::vector<Header>& headers) {
  std::string text;
  for (const Header& header : headers) text += std::string(header.name) + ": " + std::string(header.value) + "\n";
  return text;
}

TEST(ServerCodec, ReadsARequestAndSendsItsAnswer) {
  Talk talk;
  const StreamId id = talk.client.request(get("/a%20b?x=1&y", {{"accept", "*/*"}, {"x-custom", "1"}}));
  talk.run();
  ASSERT_TRUE(talk.has(Kind::head, id));
  EXPECT_TRUE(talk.has(Kind::end, id));
  const RequestHead& head = talk.codec.head(id);
  EXPECT_EQ(head.method, Method::get);
  EXPECT_EQ(head.method_name, "GET");
  EXPECT_EQ(head.target, "/a%20b?x=1&y");
  EXPECT_EQ(head.path, "/a%20b");
  EXPECT_EQ(head.query, "x=1&y");
  EXPECT_TRUE(head.has_query);
  EXPECT_EQ(head.host, "a.test");
  EXPECT_EQ(head.major_version, 2);
  EXPECT_EQ(head.framing, Framing::none);
  EXPECT_FALSE(head.has_body());
  EXPECT_EQ(talk.codec.scheme(id), "https");
  EXPECT_EQ(describe(head.headers), "host: a.test\naccept: */*\nx-custom: 1\n");
  EXPECT_EQ(head.headers[1].id, HeaderId::accept);

  ASSERT_TRUE(talk.codec.start(id, 201));
  ASSERT_TRUE(talk.codec.field(id, "Content-Type", "text/plain"));
  ASSERT_TRUE(talk.codec.field(id, "X-Custom", " two "));
  ASSERT_TRUE(talk.codec.finish_head(id, 5));
  ASSERT_TRUE(talk.codec.body(id, "hello"));
  ASSERT_TRUE(talk.codec.end(id));
  EXPECT_EQ(talk.codec.status(id), 201);
  EXPECT_EQ(talk.codec.body_bytes(id), 5u);
  EXPECT_EQ(talk.codec.owed(id), 5u);
  talk.codec.release(id);
  talk.run();
  Reply& reply = talk.client.replies[id];
  EXPECT_EQ(reply[":status"], "201");
  EXPECT_EQ(reply["content-type"], "text/plain");
  EXPECT_EQ(reply["x-custom"], "two");
  EXPECT_EQ(reply["content-length"], "5");
  EXPECT_EQ(reply["server"], "serai");
  EXPECT_NE(reply["date"], "(none)");
  EXPECT_EQ(reply.body, "hello");
  EXPECT_TRUE(reply.closed);
  EXPECT_EQ(reply.code, 0u);
  EXPECT_EQ(talk.codec.open_streams(), 0u);
  EXPECT_EQ(talk.codec.owed(), 0u);
  EXPECT_EQ(talk.codec.content_written(), 5u);
}

TEST(ServerCodec, SaysItsSettings) {
  Talk talk({.limits = {.head_bytes = 7000}, .streams = 42, .stream_window = 123456});
  EXPECT_TRUE(talk.codec.in_head());
  talk.run();
  EXPECT_FALSE(talk.codec.in_head());
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 42u);
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 123456u);
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 7000u);
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL], 1u);
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES], 1u);
  EXPECT_EQ(nghttp2_session_get_remote_window_size(talk.client.get()), 1 << 20);
}

TEST(ServerCodec, ReadsTheSameInSingleBytes) {
  Talk whole, single;
  const StreamId id = whole.client.request(post("/", {{"x-a", "1"}}), "a body");
  const std::string bytes = whole.client.output();
  whole.read(bytes);
  for (std::size_t at = 0; at < bytes.size(); ++at) single.read(std::string_view(bytes).substr(at, 1));
  EXPECT_EQ(whole.body_of(id), "a body");
  EXPECT_EQ(single.body_of(id), "a body");
  EXPECT_EQ(describe(whole.codec.head(id).headers), describe(single.codec.head(id).headers));
  EXPECT_EQ(single.seen.front().kind, Kind::head);
  EXPECT_EQ(single.seen.back().kind, Kind::end);
}

// nghttp2 counts the pieces of a CONTINUATION's header as frames.
TEST(ServerCodec, ReadsAContinuationInSingleBytes) {
  Talk talk;
  const std::string bytes = frame(NGHTTP2_HEADERS, end_stream, 1, block(get())) +
                            frame(NGHTTP2_CONTINUATION, 0, 1, block({{"x-a", "1"}})) +
                            frame(NGHTTP2_CONTINUATION, end_headers, 1, block({{"x-b", "2"}}));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    EXPECT_EQ(talk.codec.in_head(), at == 0 || at >= 9) << at;
    talk.raw(std::string_view(bytes).substr(at, 1));
  }
  EXPECT_FALSE(talk.codec.in_head());
  ASSERT_TRUE(talk.has(Kind::head, 1));
  EXPECT_EQ(describe(talk.codec.head(1).headers), "host: a.test\nx-a: 1\nx-b: 2\n");
}

TEST(ServerCodec, TellsABodyWithLengthAndOneWithout) {
  Talk talk;
  const StreamId known = talk.client.request(post("/", {{"content-length", "3"}}), "abc");
  const StreamId open = talk.client.request(post("/"), {}, true);
  talk.run();
  EXPECT_EQ(talk.codec.head(known).framing, Framing::length);
  EXPECT_EQ(talk.codec.head(known).content_length, 3u);
  EXPECT_TRUE(talk.has(Kind::end, known));
  EXPECT_EQ(talk.codec.head(open).framing, Framing::chunked);
  EXPECT_FALSE(talk.has(Kind::end, open));
  talk.client.send(open, "piece");
  talk.run();
  EXPECT_EQ(talk.body_of(open), "piece");
  talk.client.send(open, " by piece", true, {{"x-sum", "12"}, {"x-more", "1"}});
  talk.run();
  EXPECT_EQ(talk.body_of(open), "piece by piece");
  EXPECT_TRUE(talk.has(Kind::end, open));
  ASSERT_EQ(talk.codec.trailers(open).size(), 2u);
  EXPECT_EQ(talk.codec.trailers(open)[0].name, "x-sum");
  EXPECT_EQ(talk.codec.trailers(open)[0].value, "12");
}

TEST(ServerCodec, JoinsCookies) {
  Talk talk;
  const StreamId id =
      talk.client.request(get("/", {{"cookie", "a=1"}, {"x-a", "1"}, {"cookie", "b=2"}, {"cookie", "c=3"}}));
  talk.run();
  EXPECT_EQ(describe(talk.codec.head(id).headers), "host: a.test\ncookie: a=1; b=2; c=3\nx-a: 1\n");
}

TEST(ServerCodec, BringsTheOwnersPointerAlong) {
  Talk talk;
  int mine = 0;
  const StreamId id = talk.client.request(post(), {}, true);
  talk.run();
  EXPECT_EQ(talk.seen.back().user, nullptr);
  talk.codec.attach(id, &mine);
  talk.client.send(id, "x");
  talk.run();
  EXPECT_EQ(talk.seen.back().user, &mine);
}

TEST(ServerCodec, SendsNoBodyWhereThereIsNone) {
  Talk talk;
  Fields head = get();
  head[0].second = "HEAD";
  const StreamId to_head = talk.client.request(head), no_content = talk.client.request(get()),
                 not_modified = talk.client.request(get());
  talk.run();
  talk.answer(to_head, 200, "hello");
  talk.answer(no_content, 204);
  talk.answer(not_modified, 304, "hello");
  talk.run();
  EXPECT_EQ(talk.client.replies[to_head]["content-length"], "5");
  EXPECT_EQ(talk.client.replies[to_head].body, "");
  EXPECT_EQ(talk.client.replies[no_content]["content-length"], "(none)");
  EXPECT_EQ(talk.client.replies[not_modified].body, "");
  for (StreamId id : {to_head, no_content, not_modified}) EXPECT_TRUE(talk.client.replies[id].closed);
}

TEST(ServerCodec, StreamsABodyOfUnknownLength) {
  Talk talk;
  const StreamId id = talk.client.request(get());
  talk.run();
  talk.begin_answer(id);
  talk.run();
  EXPECT_EQ(talk.client.replies[id][":status"], "200");
  EXPECT_EQ(talk.client.replies[id]["content-length"], "(none)");
  for (std::string_view piece : {"one", "two"}) {
    ASSERT_TRUE(talk.codec.body(id, piece));
    talk.run();
    EXPECT_TRUE(talk.client.replies[id].body.ends_with(piece));
    EXPECT_FALSE(talk.client.replies[id].ended);
  }
  ASSERT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  EXPECT_EQ(talk.client.replies[id].body, "onetwo");
  EXPECT_TRUE(talk.client.replies[id].ended);
}

TEST(ServerCodec, SendsTrailersBehindABodyAndWithoutOne) {
  Talk talk;
  const StreamId with_body = talk.client.request(get()), without = talk.client.request(get());
  talk.run();
  for (StreamId id : {with_body, without}) {
    ASSERT_TRUE(talk.codec.start(id, 200));
    ASSERT_TRUE(talk.codec.field(id, "Trailer", "X-Sum"));
    ASSERT_TRUE(talk.codec.finish_head(id, {}));
    if (id == with_body) {
      ASSERT_TRUE(talk.codec.body(id, "abc"));
    }
    ASSERT_TRUE(talk.codec.trailer(id, "X-Sum", "3"));
    EXPECT_FALSE(talk.codec.body(id, "more"));
    EXPECT_FALSE(talk.codec.trailer(id, "bad name", "3"));
    ASSERT_TRUE(talk.codec.end(id));
    talk.codec.release(id);
  }
  talk.run();
  for (StreamId id : {with_body, without}) {
    const Reply& reply = talk.client.replies[id];
    EXPECT_EQ(reply["trailer"], "X-Sum");
    ASSERT_EQ(reply.trailers.size(), 1u);
    EXPECT_EQ(reply.trailers[0].first, "x-sum");
    EXPECT_EQ(reply.body, id == with_body ? "abc" : "");
    EXPECT_TRUE(reply.closed);
    EXPECT_EQ(reply.code, 0u);
  }
}

TEST(ServerCodec, SendsInformationalAnswersFirst) {
  Talk talk;
  const StreamId id = talk.client.request(post("/", {{"expect", "100-continue"}}), {}, true);
  talk.run();
  EXPECT_TRUE(talk.codec.head(id).expect_continue);
  ASSERT_TRUE(talk.codec.inform(id, 100));
  const Header link{"Link", "</a.css>; rel=preload", HeaderId::other};
  ASSERT_TRUE(talk.codec.inform(id, 103, {&link, 1}));
  EXPECT_FALSE(talk.codec.inform(id, 101));
  EXPECT_FALSE(talk.codec.inform(id, 200));
  talk.client.send(id, "body", true);
  talk.run();
  talk.answer(id, 200, "ok");
  talk.run();
  const Reply& reply = talk.client.replies[id];
  ASSERT_EQ(reply.interim.size(), 2u);
  EXPECT_EQ(reply.interim[0][0].second, "100");
  EXPECT_EQ(reply.interim[1][1].first, "link");
  EXPECT_EQ(reply[":status"], "200");
  EXPECT_EQ(reply.body, "ok");
}

TEST(ServerCodec, RefusesWhatAnAppMustNotSay) {
  Talk talk;
  const StreamId id = talk.client.request(get());
  talk.run();
  ServerCodec& codec = talk.codec;
  EXPECT_FALSE(codec.start(id, 100));
  EXPECT_FALSE(codec.body(id, "early"));
  EXPECT_FALSE(codec.end(id));
  ASSERT_TRUE(codec.start(id, 200));
  EXPECT_FALSE(codec.start(id, 200));
  EXPECT_FALSE(codec.field(id, "bad name", "1"));
  EXPECT_FALSE(codec.field(id, "x-a", "1\r\nx-b: 2"));
  EXPECT_FALSE(codec.field(id, "Content-Length", "five"));
  codec.restart_answer(id);
  ASSERT_TRUE(codec.start(id, 500));
  ASSERT_TRUE(codec.field(id, "Content-Length", "5"));
  EXPECT_FALSE(codec.field(id, "Content-Length", "6"));
  ASSERT_TRUE(codec.field(id, "Connection", "close"));
  ASSERT_TRUE(codec.field(id, "Transfer-Encoding", "chunked"));
  EXPECT_FALSE(codec.finish_head(id, 4));
  ASSERT_TRUE(codec.finish_head(id, {}));
  ASSERT_TRUE(codec.body(id, "1234"));
  EXPECT_FALSE(codec.body(id, "56"));
  EXPECT_FALSE(codec.end(id));
  codec.reset(id, ErrorCode::internal_error);
  codec.release(id);
  talk.run();
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(codec.open_streams(), 0u);
}

TEST(ServerCodec, LeavesConnectionFieldsOfAnAppOut) {
  Talk talk;
  const StreamId id = talk.client.request(get());
  talk.run();
  ASSERT_TRUE(talk.codec.start(id, 200));
  for (std::string_view name : {"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Proxy-Connection", "TE"}) {
    ASSERT_TRUE(talk.codec.field(id, name, "x"));
  }
  ASSERT_TRUE(talk.codec.field(id, "Server", "mine"));
  ASSERT_TRUE(talk.codec.finish_head(id, 0));
  ASSERT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  std::string names;
  for (const auto& [name, value] : talk.client.replies[id].fields) names += name + " ";
  EXPECT_EQ(names, ":status server content-length date ");
  EXPECT_EQ(talk.client.replies[id]["server"], "mine");
}

TEST(ServerCodec, TellsOfAResetAndDoesNothingForItAfterwards) {
  Talk talk;
  const StreamId id = talk.client.request(post(), {}, true), other = talk.client.request(get());
  talk.run();
  nghttp2_submit_rst_stream(talk.client.get(), 0, static_cast<int>(id), NGHTTP2_CANCEL);
  talk.run();
  ASSERT_EQ(talk.seen.back().kind, Kind::reset);
  EXPECT_EQ(talk.seen.back().stream, id);
  EXPECT_EQ(talk.seen.back().code, ErrorCode::cancel);
  EXPECT_TRUE(talk.codec.is_over(id));
  EXPECT_EQ(talk.codec.open_streams(), 2u);
  EXPECT_TRUE(talk.codec.start(id, 200));
  EXPECT_TRUE(talk.codec.finish_head(id, 5));
  EXPECT_TRUE(talk.codec.body(id, "hello"));
  EXPECT_TRUE(talk.codec.end(id));
  EXPECT_EQ(talk.codec.owed(), 0u);
  talk.codec.release(id);
  EXPECT_EQ(talk.codec.open_streams(), 1u);
  talk.answer(other, 200, "fine");
  talk.run();
  EXPECT_EQ(talk.client.replies[other].body, "fine");
}

TEST(ServerCodec, GivesUpTheRestOfARequestThatIsAnswered) {
  Talk talk;
  const StreamId id = talk.client.request(post(), "the beginning", true);
  talk.run();
  talk.answer(id, 401, "no");
  talk.run();
  EXPECT_EQ(talk.client.replies[id].body, "no");
  EXPECT_TRUE(talk.client.replies[id].ended);
  EXPECT_TRUE(talk.client.replies[id].closed);
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_NO_ERROR);
  EXPECT_FALSE(talk.has(Kind::reset));
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

TEST(ServerCodec, ResetsAStreamThatIsReleasedUnanswered) {
  Talk talk;
  const StreamId id = talk.client.request(get());
  talk.run();
  talk.codec.release(id);
  talk.run();
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

TEST(ServerCodec, TunnelsAWebSocket) {
  Talk talk;
  Fields fields = get("/chat", {{"sec-websocket-version", "13"}});
  fields[0].second = "CONNECT";
  fields.insert(fields.begin() + 1, {":protocol", "websocket"});
  const StreamId id = talk.client.request(fields, {}, true);
  talk.run();
  const RequestHead& head = talk.codec.head(id);
  EXPECT_EQ(head.method, Method::connect);
  EXPECT_EQ(head.upgrade, "websocket");
  EXPECT_EQ(head.path, "/chat");
  EXPECT_EQ(head.host, "a.test");
  talk.begin_answer(id);
  ASSERT_TRUE(talk.codec.body(id, "down"));
  talk.client.send(id, "up");
  talk.run();
  EXPECT_EQ(talk.body_of(id), "up");
  EXPECT_EQ(talk.client.replies[id].body, "down");
  ASSERT_TRUE(talk.codec.end(id));
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].ended);
  EXPECT_FALSE(talk.client.replies[id].closed) << "the other direction is open until the client ends it";
  talk.client.send(id, " and over", true);
  talk.run();
  EXPECT_EQ(talk.body_of(id), "up and over");
  EXPECT_TRUE(talk.has(Kind::end, id));
  EXPECT_EQ(talk.client.replies[id].code, 0u);
  talk.codec.release(id);
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

StreamId connect(Talk& talk, int status) {
  Fields fields = get();
  fields[0].second = "CONNECT";
  fields.insert(fields.begin() + 1, {":protocol", "websocket"});
  const StreamId id = talk.client.request(fields, {}, true);
  talk.run();
  talk.begin_answer(id, status);
  EXPECT_TRUE(talk.codec.end(id));
  talk.codec.release(id);
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].ended);
  return id;
}

TEST(ServerCodec, LetsThePeerEndATunnelThatItsOwnerHasReleased) {
  Talk talk;
  const StreamId id = connect(talk, 200);
  EXPECT_FALSE(talk.client.replies[id].closed);
  EXPECT_EQ(talk.codec.open_streams(), 1u);
  talk.client.send(id, {}, true);
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].closed);
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

TEST(ServerCodec, AwaitsTheEndOfARequestWhoseDeclaredLengthCame) {
  for (std::string body : {"", "all"}) {
    Talk talk;
    Fields fields = post();
    fields.push_back({"content-length", std::to_string(body.size())});
    const StreamId id = talk.client.request(fields, body, true);
    talk.run();
    talk.answer(id, 200, "yes");
    talk.run();
    EXPECT_TRUE(talk.client.replies[id].ended);
    EXPECT_FALSE(talk.client.replies[id].closed) << "the client has yet to end its side";
    talk.client.send(id, "", true);
    talk.run();
    EXPECT_TRUE(talk.client.replies[id].closed);
    EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_NO_ERROR);
    EXPECT_EQ(talk.codec.open_streams(), 0u);
  }
}

TEST(ServerCodec, ResetsAReleasedTunnelThroughWhichMoreComes) {
  Talk talk;
  const StreamId id = connect(talk, 200);
  talk.client.send(id, "more");
  talk.run();
  EXPECT_TRUE(talk.client.replies[id].closed);
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_NO_ERROR);
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

TEST(ServerCodec, ResetsATunnelThatWasRefused) {
  Talk talk;
  const StreamId id = connect(talk, 403);
  EXPECT_TRUE(talk.client.replies[id].closed);
  EXPECT_EQ(talk.client.replies[id].code, NGHTTP2_NO_ERROR);
}

TEST(ServerCodec, TakesNoWebSocketsWhereNoneAreWanted) {
  Talk talk({.websockets = false});
  talk.run();
  EXPECT_EQ(talk.client.settings[NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL], 0u);
  Fields fields = get();
  fields[0].second = "CONNECT";
  fields.insert(fields.begin() + 1, {":protocol", "websocket"});
  talk.raw({});
  EXPECT_FALSE(talk.accepts(fields, 0));
  EXPECT_FALSE(talk.has(Kind::refused));
}

TEST(ServerCodec, ShutsDownInTwoSteps) {
  Talk talk;
  const StreamId before = talk.client.request(get());
  talk.run();
  talk.codec.shut_down();
  const std::string notice = talk.write();
  const StreamId crossing = talk.client.request(get());  // was on its way
  talk.read(talk.client.output());
  talk.client.input(notice);
  EXPECT_TRUE(talk.has(Kind::head, crossing));
  talk.run();
  ASSERT_EQ(talk.client.goaway_streams.size(), 2u);
  EXPECT_EQ(talk.client.goaway_streams[0], 0x7fffffffu);
  EXPECT_EQ(talk.client.goaway_streams[1], crossing);
  EXPECT_FALSE(talk.has(Kind::closed));
  talk.answer(before, 200, "a");
  talk.run();
  EXPECT_FALSE(talk.codec.is_finished());
  talk.answer(crossing, 200, "b");
  talk.run();
  EXPECT_EQ(talk.client.replies[crossing].body, "b");
  EXPECT_TRUE(talk.has(Kind::closed));
  EXPECT_TRUE(talk.codec.is_finished());
}

TEST(ServerCodec, ClosesWhenTheClientSaysGoodbye) {
  Talk talk;
  const StreamId id = talk.client.request(get());
  talk.run();
  nghttp2_submit_goaway(talk.client.get(), 0, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  talk.run();
  EXPECT_FALSE(talk.has(Kind::closed));
  talk.answer(id, 200, "last");
  talk.run();
  EXPECT_EQ(talk.client.replies[id].body, "last");
  EXPECT_TRUE(talk.has(Kind::closed));
}

TEST(ServerCodec, TerminatesAtOnce) {
  Talk talk;
  talk.client.request(get());
  talk.run();
  talk.codec.terminate(ErrorCode::internal_error);
  talk.run();
  ASSERT_EQ(talk.client.goaways.size(), 1u);
  EXPECT_EQ(talk.client.goaways[0], NGHTTP2_INTERNAL_ERROR);
  EXPECT_TRUE(talk.codec.is_finished());
}

TEST(ServerCodec, AnswersPings) {
  Talk talk;
  talk.run();
  talk.raw(frame(NGHTTP2_PING, 0, 0, "12345678"));
  EXPECT_NE(talk.write().find(frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678")), std::string::npos);
}

TEST(ServerCodec, ServesUrgentStreamsFirst) {
  Talk talk;
  const StreamId later = talk.client.request(get("/", {{"priority", "u=7"}})),
                 sooner = talk.client.request(get("/", {{"priority", "u=1"}})), pushed = talk.client.request(get());
  nghttp2_submit_priority_update(talk.client.get(), 0, static_cast<int>(pushed),
                                 reinterpret_cast<const std::uint8_t*>("u=0"), 3);
  talk.run();
  const std::string piece(1000, 'x');
  for (StreamId id : {later, sooner, pushed}) talk.begin_answer(id);
  talk.run();
  for (StreamId id : {later, sooner, pushed}) ASSERT_TRUE(talk.codec.body(id, piece));
  std::string order;
  const std::string bytes = talk.write();
  for (std::size_t at = 0; at < bytes.size(); at += 1009) order += bytes[at + 8];
  EXPECT_EQ(order, (std::string{static_cast<char>(pushed), static_cast<char>(sooner), static_cast<char>(later)}));
  talk.codec.set_priority(later, 0, false);
  for (StreamId id : {sooner, later}) ASSERT_TRUE(talk.codec.body(id, piece));
  EXPECT_EQ(talk.write()[8], static_cast<char>(later));
}

TEST(ServerCodec, SharesEvenlyBetweenStreamsThatNobodyRanks) {
  Talk talk;
  const StreamId first = talk.client.request(get()), second = talk.client.request(get());
  talk.run();
  for (StreamId id : {first, second}) {
    talk.begin_answer(id);
    ASSERT_TRUE(talk.codec.body(id, std::string(40000, 'x')));
  }
  std::string order;
  const std::string bytes = talk.write();
  for (std::size_t at = 0; at < bytes.size();) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + i]));
    };
    if (bytes[at + 3] == NGHTTP2_DATA) order += static_cast<char>('0' + byte(8));
    at += 9 + (byte(0) << 16 | byte(1) << 8 | byte(2));
  }
  EXPECT_EQ(order.substr(0, 4), "1313");
}

TEST(ServerCodec, KnowsAPrefaceWhenItSeesOne) {
  EXPECT_EQ(look_for_preface(""), Preface::undecided);
  EXPECT_EQ(look_for_preface("PRI * HTTP"), Preface::undecided);
  EXPECT_EQ(look_for_preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Preface::h2);
  EXPECT_EQ(look_for_preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"), Preface::h2);
  EXPECT_EQ(look_for_preface("POST / HTTP/1.1"), Preface::not_h2);
  EXPECT_EQ(look_for_preface("PRI * HTTP/1.1\r\n"), Preface::not_h2);
}

}  // namespace
}  // namespace http::h2::test
