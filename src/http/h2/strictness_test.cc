// What RFC 9113 section 8 forbids, and what our limits do: by hand-made frames, since no client sends such things.
#include <gtest/gtest.h>

#include "http/h2/test_talk.h"

namespace http::h2::test {
namespace {

struct Case {
  std::string name;
  Fields fields;
};

Fields without(std::string_view name) {
  Fields fields = get();
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

Fields with(std::string_view name, std::string_view value) {
  Fields fields = get();
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}

class Malformed : public testing::TestWithParam<Case> {};

TEST_P(Malformed, ResetsTheStreamOnly) {
  Talk talk;
  EXPECT_FALSE(talk.accepts(GetParam().fields));
  EXPECT_FALSE(talk.has(Kind::refused));
  talk.write();
  EXPECT_TRUE(talk.accepts(get())) << "the next stream is fine";
  EXPECT_EQ(talk.codec.open_streams(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Malformed,
    testing::Values(
        Case{"NoMethod", without(":method")}, Case{"NoScheme", without(":scheme")}, Case{"NoPath", without(":path")},
        Case{"NoAuthorityAndNoHost", without(":authority")}, Case{"EmptyPath", with(":path", "")},
        Case{"RelativePath", with(":path", "a")}, Case{"AsteriskForGet", with(":path", "*")},
        Case{"SpaceInPath", with(":path", "/a b")}, Case{"ControlInPath", with(":path", "/a\r\nx: y")},
        Case{"SpaceInMethod", with(":method", "GE T")}, Case{"EmptyMethod", with(":method", "")},
        Case{"BadScheme", with(":scheme", "ht tp")}, Case{"SlashInAuthority", with(":authority", "a/b")},
        Case{"UnknownPseudo", get("/", {{":x", "1"}})}, Case{"ResponsePseudo", get("/", {{":status", "200"}})},
        Case{"TwoMethods", get("/", {{":method", "GET"}})}, Case{"TwoPaths", get("/", {{":path", "/b"}})},
        Case{"PseudoBehindField",
             [] {
               Fields fields = without(":path");
               fields.push_back({"x-a", "1"});
               fields.push_back({":path", "/"});
               return fields;
             }()},
        Case{"UppercaseName", get("/", {{"X-A", "1"}})}, Case{"SpaceInName", get("/", {{"x a", "1"}})},
        Case{"ColonInName", get("/", {{"x:a", "1"}})}, Case{"EmptyName", get("/", {{"", "1"}})},
        Case{"NonAsciiName", get("/", {{"x\xc3\xa4", "1"}})},
        Case{"LineEndInValue", get("/", {{"x-a", "1\r\nx-b: 2"}})},
        Case{"BareLineFeedInValue", get("/", {{"x-a", "1\n"}})},
        Case{"NulInValue", get("/", {{"x-a", std::string(1, '\0')}})},
        Case{"SpaceBeforeValue", get("/", {{"x-a", " 1"}})}, Case{"TabBehindValue", get("/", {{"x-a", "1\t"}})},
        Case{"Connection", get("/", {{"connection", "close"}})}, Case{"KeepAlive", get("/", {{"keep-alive", "1"}})},
        Case{"ProxyConnection", get("/", {{"proxy-connection", "close"}})},
        Case{"TransferEncoding", get("/", {{"transfer-encoding", "chunked"}})},
        Case{"Upgrade", get("/", {{"upgrade", "h2c"}})}, Case{"TeGzip", get("/", {{"te", "gzip"}})},
        Case{"LengthIsNoNumber", get("/", {{"content-length", "+1"}})},
        Case{"LengthWithList", get("/", {{"content-length", "1, 1"}})},
        Case{"TwoLengths", get("/", {{"content-length", "0"}, {"content-length", "0"}})},
        Case{"LengthTooLargeForAnything", get("/", {{"content-length", "99999999999999999999"}})},
        Case{"LengthWithoutBody", get("/", {{"content-length", "5"}})},
        Case{"TwoHosts", get("/", {{"host", "a.test"}, {"host", "a.test"}})},
        Case{"ProtocolWithoutConnect", get("/", {{":protocol", "websocket"}})}),
    [](const auto& tested) { return tested.param.name; });

TEST(Strictness, TakesWhatIsUnusualButRight) {
  Talk talk;
  EXPECT_TRUE(talk.accepts(get("/", {{"te", "trailers"}})));
  EXPECT_TRUE(talk.accepts(get("/", {{"x-a", ""}})));
  EXPECT_TRUE(talk.accepts(get("/", {{"x-a", "caf\xc3\xa9\ttab inside"}})));
  EXPECT_TRUE(talk.accepts(get("/", {{"host", "A.TEST"}})));
  EXPECT_TRUE(talk.accepts(get("/", {{"content-length", "0"}})));
  EXPECT_TRUE(talk.accepts(with(":method", "PROPFIND")));
  EXPECT_TRUE(talk.accepts(with(":authority", "[::1]:8080")));
  Fields asterisk = with(":path", "*");
  asterisk[0].second = "OPTIONS";
  EXPECT_TRUE(talk.accepts(asterisk));
  Fields host_only = without(":authority");
  host_only.push_back({"host", "b.test"});
  EXPECT_TRUE(talk.accepts(host_only));
  EXPECT_EQ(talk.codec.head(17).host, "b.test");
  EXPECT_EQ(talk.codec.head(17).headers.size(), 1u);
  EXPECT_EQ(talk.codec.open_streams(), 9u);
}

struct Refusal {
  std::string name;
  Fields fields;
  int status;
};

Fields connect(std::string_view protocol) {
  Fields fields = with(":method", "CONNECT");
  fields.push_back({":protocol", std::string(protocol)});
  return fields;
}

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, SaysAStatusAndCanBeAnswered) {
  Limits limits{.head_bytes = 1000, .target_bytes = 100, .headers = 8, .body_bytes = 50};
  limits.underscores = Underscores::reject;
  Talk talk({.limits = limits});
  EXPECT_FALSE(talk.accepts(GetParam().fields, 0));
  ASSERT_TRUE(talk.has(Kind::refused, 1));
  EXPECT_EQ(talk.codec.problem(1).status, GetParam().status) << talk.codec.problem(1).reason;
  talk.raw(frame(NGHTTP2_DATA, 0, 1, "what is still sent is dropped"));
  EXPECT_FALSE(talk.has(Kind::body));
  talk.answer(1, GetParam().status, "no");
  talk.client.request(get());  // stream 1 on its side too
  talk.client.output();
  talk.client.input(talk.write());
  EXPECT_EQ(talk.client.replies[1][":status"], std::to_string(GetParam().status));
  EXPECT_EQ(talk.codec.open_streams(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Requests, Refused,
                         testing::Values(Refusal{"LongTarget", with(":path", "/" + std::string(100, 'a')), 414},
                                         Refusal{"LargeHead", get("/", Fields(7, {"x-a", std::string(120, 'a')})), 431},
                                         Refusal{"ManyFields", get("/", Fields(9, {"x", "1"})), 431},
                                         Refusal{"LargeBody", get("/", {{"content-length", "51"}}), 413},
                                         Refusal{"Underscore", get("/", {{"x_a", "1"}}), 400},
                                         Refusal{"Fragment", with(":path", "/a#b"), 400},
                                         Refusal{"NonAsciiPath", with(":path", "/\xc3\xa4"), 400},
                                         Refusal{"OtherHost", get("/", {{"host", "b.test"}}), 400},
                                         Refusal{"UserInformation", with(":authority", "me@a.test"), 400},
                                         Refusal{"OtherScheme", with(":scheme", "ftp"), 400},
                                         Refusal{"Expectation", get("/", {{"expect", "wonders"}}), 417},
                                         Refusal{"LongMethod", with(":method", std::string(33, 'A')), 501},
                                         Refusal{
                                             "Connect", {{":method", "CONNECT"}, {":authority", "a.test:443"}}, 501},
                                         Refusal{"ConnectToOtherProtocol", connect("connect-udp"), 501}),
                         [](const auto& tested) { return tested.param.name; });

TEST(Refusals, AreTheLastWordOfARequestButForResets) {
  Talk talk({.limits = {.body_bytes = 50}});
  const StreamId id = talk.client.request(post(), {}, true);
  talk.run();
  talk.client.send(id, std::string(51, 'x'), false);
  talk.client.send(id, "more", true);
  talk.run();
  EXPECT_TRUE(talk.has(Kind::refused, id));
  EXPECT_EQ(talk.body_of(id), "");
  EXPECT_FALSE(talk.has(Kind::end, id));
}

TEST(Strictness, DropsOrKeepsUnderscores) {
  Talk dropping, keeping({.limits = {.underscores = Underscores::keep}});
  const Fields fields = get("/", {{"x_a", "1"}, {"x-b", "2"}});
  ASSERT_TRUE(dropping.accepts(fields));
  ASSERT_TRUE(keeping.accepts(fields));
  EXPECT_EQ(dropping.codec.head(1).find("x_a"), nullptr);
  EXPECT_NE(dropping.codec.head(1).find("x-b"), nullptr);
  EXPECT_NE(keeping.codec.head(1).find("x_a"), nullptr);
}

TEST(Strictness, CountsManyCrumbsOfACookieAsOneField) {
  Talk talk({.limits = {.headers = 3}});
  EXPECT_TRUE(talk.accepts(get("/", Fields(20, {"cookie", "a=1"}))));
}

TEST(Strictness, ResetsAStreamWhoseBodyIsNotAsLongAsItSays) {
  Talk longer, shorter;
  for (Talk* talk : {&longer, &shorter}) ASSERT_TRUE(talk->accepts(get("/", {{"content-length", "5"}}), 0));
  longer.raw(frame(NGHTTP2_DATA, end_stream, 1, "123456"));
  shorter.raw(frame(NGHTTP2_DATA, end_stream, 1, "1234"));
  for (Talk* talk : {&longer, &shorter}) {
    EXPECT_FALSE(talk->has(Kind::end));
    talk->write();
    ASSERT_TRUE(talk->has(Kind::reset, 1));
    EXPECT_EQ(talk->seen.back().code, ErrorCode::protocol_error);
  }
}

TEST(Strictness, RefusesABodyBeyondItsLimitAndItsOwnerMaySetOne) {
  Talk talk({.limits = {.body_bytes = 10}});
  ASSERT_TRUE(talk.accepts(get(), 0));
  ASSERT_TRUE(talk.accepts(get(), 0));
  talk.codec.set_body_limit(3, 12);
  talk.raw(frame(NGHTTP2_DATA, 0, 1, "0123456789") + frame(NGHTTP2_DATA, 0, 3, "0123456789"));
  EXPECT_FALSE(talk.has(Kind::refused));
  talk.raw(frame(NGHTTP2_DATA, 0, 1, "ab") + frame(NGHTTP2_DATA, 0, 3, "ab"));
  EXPECT_TRUE(talk.has(Kind::refused, 1));
  EXPECT_EQ(talk.codec.problem(1).status, 413);
  EXPECT_EQ(talk.body_of(1), "0123456789");
  EXPECT_EQ(talk.body_of(3), "0123456789ab");
}

TEST(Strictness, RefusesTrailersThatAreTooLarge) {
  Talk talk({.limits = {.trailer_bytes = 100}});
  ASSERT_TRUE(talk.accepts(get(), 0));
  const std::string trailers = block({{"x-a", std::string(100, 'a')}});
  talk.raw(frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, trailers));
  ASSERT_TRUE(talk.has(Kind::refused, 1));
  EXPECT_EQ(talk.codec.problem(1).status, 431);
  EXPECT_FALSE(talk.has(Kind::end));
}

TEST(Strictness, ResetsAStreamWithPseudoFieldsInItsTrailers) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(get(), 0));
  talk.raw(frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, block({{":path", "/"}})));
  talk.write();
  EXPECT_TRUE(talk.has(Kind::reset, 1));
  EXPECT_FALSE(talk.has(Kind::end));
}

TEST(Strictness, KeepsAHeadWhileOtherStreamsComeAndGo) {
  Talk talk;
  ASSERT_TRUE(talk.accepts(get("/first", {{"x-a", "kept"}})));
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(talk.accepts(get("/more", {{"x-a", std::string(100, 'x')}})));
    talk.answer(static_cast<StreamId>(3 + 2 * i));
    talk.write();
  }
  EXPECT_EQ(talk.codec.head(1).path, "/first");
  EXPECT_EQ(talk.codec.head(1).find("x-a")->value, "kept");
}

TEST(Strictness, EndsAConnectionThatIsNotHttp2) {
  for (std::string_view start : {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"}) {
    Talk talk;
    talk.read(start);
    EXPECT_TRUE(talk.has(Kind::closed));
    talk.write();
    EXPECT_TRUE(talk.codec.is_finished());
  }
}

TEST(Strictness, EndsAConnectionOnErrorsThatItIsOver) {
  const std::string headers = frame(NGHTTP2_HEADERS, end_stream | end_headers, 1, block(get()));
  const std::pair<std::string, std::uint32_t> cases[] = {
      {frame(NGHTTP2_DATA, 0, 0, "x"), NGHTTP2_PROTOCOL_ERROR},
      {frame(NGHTTP2_DATA, 0, 1, "x"), NGHTTP2_PROTOCOL_ERROR},  // idle
      {frame(NGHTTP2_HEADERS, end_headers, 2, block(get())), NGHTTP2_PROTOCOL_ERROR},
      {frame(NGHTTP2_HEADERS, end_headers, 1, "\xff\xff\xff\xff\xff"), NGHTTP2_COMPRESSION_ERROR},
      {frame(NGHTTP2_CONTINUATION, end_headers, 1), NGHTTP2_PROTOCOL_ERROR},
      {frame(NGHTTP2_HEADERS, 0, 1, block(get())) + frame(NGHTTP2_PING, 0, 0, "12345678"), NGHTTP2_PROTOCOL_ERROR},
      {frame(NGHTTP2_PING, 0, 0, "1234"), NGHTTP2_FRAME_SIZE_ERROR},
      {frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)), NGHTTP2_FLOW_CONTROL_ERROR},
      {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(0)), NGHTTP2_PROTOCOL_ERROR},
      {frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(0x7fffffff)), NGHTTP2_FLOW_CONTROL_ERROR},
      {frame(NGHTTP2_PUSH_PROMISE, end_headers, 1, number(2)), NGHTTP2_PROTOCOL_ERROR},
      {std::string("\0\x40\1", 3) + std::string("\0\0\0\0\0\1", 6), NGHTTP2_FRAME_SIZE_ERROR},
      {headers + frame(NGHTTP2_DATA, 0, 1, "x"), NGHTTP2_STREAM_CLOSED},
  };
  for (const auto& [bytes, code] : cases) {
    Talk talk;
    talk.raw(bytes);
    talk.write();
    ASSERT_EQ(talk.goaways.size(), 1u) << testing::PrintToString(bytes);
    EXPECT_EQ(talk.goaways[0], static_cast<ErrorCode>(code)) << testing::PrintToString(bytes);
    EXPECT_TRUE(talk.has(Kind::closed));
    EXPECT_TRUE(talk.codec.is_finished());
  }
}

}  // namespace
}  // namespace http::h2::test
