#include "http/h1/response_parser.h"

#include <gtest/gtest.h>

#include <random>

namespace http::h1 {
namespace {

using Kind = Event::Kind;

struct Seen {
  std::string text;
  std::string_view problem;
};

// Reads the answer to one request, in pieces of `step` bytes, then the end of the connection.
Seen read(std::string_view input, Method method = Method::get, std::size_t step = SIZE_MAX, const Limits& limits = {}) {
  ResponseParser parser(limits);
  parser.expect(method);
  Seen seen;
  std::string body;
  auto finish_body = [&] {
    if (!body.empty()) seen.text += "body " + std::exchange(body, {}) + "\n";
  };
  auto take = [&](const Event& event) {
    if (event.kind == Kind::body) {
      body += event.body;
      return true;
    }
    finish_body();
    const ResponseHead& head = parser.head();
    if (event.kind == Kind::head || event.kind == Kind::interim) {
      seen.text += fmt::format("{} {} {} 1.{} {}", event.kind == Kind::head ? "head" : "interim", head.status,
                               head.reason, head.minor_version, head.keep_alive ? "keep" : "close");
      if (head.declares_length) seen.text += fmt::format(" length={}", head.content_length);
      for (const Header& header : head.headers) seen.text += fmt::format(" [{}: {}]", header.name, header.value);
      seen.text += "\n";
      return true;
    }
    if (event.kind == Kind::end) seen.text += "end\n";
    if (event.kind == Kind::closed && !seen.text.ends_with("closed\n")) seen.text += "closed\n";
    if (event.kind == Kind::failed) seen.problem = parser.problem().reason;
    return event.kind == Kind::end;
  };
  auto rest = std::make_unique<std::string>();
  for (std::size_t at = 0; at < input.size();) {
    std::string_view piece = input.substr(at, step);
    at += piece.size();
    rest = std::make_unique<std::string>(*rest + std::string(piece));
    for (bool more = true; more && seen.problem.empty();) {
      Event event = parser.next(*rest);
      more = event.kind != Kind::need_input && take(event);
      rest->erase(0, event.consumed);
    }
  }
  if (seen.problem.empty() && !seen.text.ends_with("closed\n")) take(parser.end_of_input());
  return seen;
}

TEST(ResponseParser, ReadsBodiesOfEachFraming) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").text,
            "head 200 OK 1.1 keep length=2 [Content-Length: 2]\nbody hi\nend\nclosed\n");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").text,
            "head 200 OK 1.1 keep [Transfer-Encoding: chunked]\nbody hi\nend\nclosed\n");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nuntil the end").text, "head 200 OK 1.1 close\nbody until the end\nend\n");
  EXPECT_EQ(read("HTTP/1.0 200 Very Well\r\n\r\n").text, "head 200 Very Well 1.0 close\nend\n");
}

TEST(ResponseParser, KnowsWhichAnswersHaveNoBody) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Method::head).text,
            "head 200 OK 1.1 keep length=9 [Content-Length: 9]\nend\nclosed\n");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::head).text,
            "head 200 OK 1.1 keep [Transfer-Encoding: chunked]\nend\nclosed\n");
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\n\r\n").text, "head 204 No Content 1.1 keep\nend\nclosed\n");
  EXPECT_EQ(read("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n").text,
            "head 304  1.1 keep length=5 [Content-Length: 5]\nend\nclosed\n");
}

TEST(ResponseParser, AnAnswerWithoutContentThatAnnouncesSomeEndsTheConnection) {
  EXPECT_TRUE(
      read("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").text.starts_with("head 204 No Content 1.1 close"));
  EXPECT_TRUE(
      read("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").text.starts_with("head 204 No Content 1.1 keep"));
}

TEST(ResponseParser, PassesInterimAnswersOn) {
  EXPECT_EQ(
      read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204\r\n\r\n").text,
      "interim 100 Continue 1.1 keep\ninterim 103 Early Hints 1.1 keep [Link: x]\nhead 204  1.1 keep\nend\nclosed\n");
  std::string many;
  for (int i = 0; i < 17; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(read(many).problem, "too many interim answers");
}

TEST(ResponseParser, RefusesBytesThatAnswerNoRequest) {
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").problem, "bytes that answer no request");
  ResponseParser parser;
  EXPECT_EQ(parser.next("").kind, Kind::need_input);
  EXPECT_EQ(parser.next("x").kind, Kind::failed);
}

TEST(ResponseParser, TellsAnEndFromACut) {
  constexpr std::string_view cut = "the connection closed before the answer was whole";
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi").problem, cut);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").problem, cut);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n").problem, cut);
  EXPECT_EQ(read("HTTP/1.1 100 Continue\r\n\r\n").problem, cut);
  EXPECT_EQ(read("").problem, cut);
}

TEST(ResponseParser, AnotherAnswerFollowsOnAKeptConnection) {
  ResponseParser parser;
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(parser.is_idle());
    parser.expect(Method::get);
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    Event head = parser.next(input);
    ASSERT_EQ(head.kind, Kind::head);
    ASSERT_EQ(parser.next(input.substr(head.consumed)).kind, Kind::end);
  }
}

TEST(ResponseParser, RefusesWhatCanBeReadInTwoWays) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "both Content-Length and Transfer-Encoding"},
      {"Content-Length: 2\r\nContent-Length: 2\r\n", "more than one Content-Length"},
      {"Content-Length: 2, 2\r\n", "the Content-Length is no number"},
      {"Content-Length: +2\r\n", "the Content-Length is no number"},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "more than one Transfer-Encoding"},
      {"Transfer-Encoding: gzip\r\n", "a Transfer-Encoding but chunked"},
      {"A : b\r\n", "a header line has no valid name"},
      {"A: b\r\n c\r\n", "a header line has no valid name"},
      {"A: b\n", "a bare CR or LF, or another control character, in the head"},
  };
  for (const auto& [fields, problem] : cases) {
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\n" + fields + "\r\nhi").problem, problem) << fields;
  }
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").problem,
            "Transfer-Encoding on HTTP/1.0");
  EXPECT_EQ(read("HTTP/1.1 101 Switching Protocols\r\n\r\n").problem,
            "the answer switches protocols, which was not asked for");
}

TEST(ResponseParser, KeepsTrailersUntilTheNextResponse) {
  ResponseParser parser;
  for (std::string_view fields : {"A: 1\r\ngrpc-status:  0 \r\n", ""}) {
    parser.expect(Method::get);
    std::string input =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n" + std::string(fields) + "\r\n";
    std::string_view rest = input;
    for (Kind kind = Kind::need_input; kind != Kind::end;) {
      Event event = parser.next(rest.substr(0, 1));  // byte by byte, but heads need all their bytes
      if (event.kind == Kind::need_input && event.consumed == 0) event = parser.next(rest);
      rest.remove_prefix(event.consumed);
      kind = event.kind;
      ASSERT_NE(kind, Kind::failed) << parser.problem().reason;
    }
    EXPECT_EQ(parser.trailers().size(), fields.empty() ? 0u : 2u);
    if (!fields.empty()) {
      EXPECT_EQ(parser.trailers()[1].name, "grpc-status");
      EXPECT_EQ(parser.trailers()[1].value, "0");
    }
  }
}

TEST(ResponseParser, SwitchesToTheProtocolThatWasAskedFor) {
  ResponseParser parser;
  parser.expect(Method::get, "websocket");
  std::string_view input =
      "HTTP/1.1 103 Early Hints\r\n\r\n"
      "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x00";
  Event event = parser.next(input);
  EXPECT_EQ(event.kind, Kind::interim);
  input.remove_prefix(event.consumed);
  event = parser.next(input);
  EXPECT_EQ(event.kind, Kind::head);
  EXPECT_EQ(parser.head().status, 101);
  input.remove_prefix(event.consumed);
  EXPECT_EQ(parser.next(input).kind, Kind::closed);
  EXPECT_EQ(parser.next(input).consumed, 0u);
  EXPECT_EQ(parser.end_of_input().kind, Kind::closed);
  EXPECT_FALSE(parser.is_idle());
}

TEST(ResponseParser, RefusesToSwitchToAnythingElse) {
  for (std::string_view fields :
       {"", "Upgrade: websocket\r\n", "Connection: upgrade\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n"}) {
    ResponseParser parser;
    parser.expect(Method::get, "websocket");
    EXPECT_EQ(parser.next("HTTP/1.1 101 Switching Protocols\r\n" + std::string(fields) + "\r\n").kind, Kind::failed);
  }
  ResponseParser refused;
  refused.expect(Method::get, "websocket");
  EXPECT_EQ(refused.next("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").kind, Kind::head);
  EXPECT_EQ(refused.next("").kind, Kind::end);
  EXPECT_TRUE(refused.is_idle());
}

TEST(ResponseParser, RefusesStatusLinesThatAreNone) {
  for (std::string_view start : {"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 abc OK", "HTTP/2 200 OK",
                                 "http/1.1 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 200\tOK",
                                 " HTTP/1.1 200 OK", "", "HTTP/1.1-200 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 20x OK"}) {
    EXPECT_EQ(read(std::string(start) + "\r\n\r\n").problem, "the answer does not begin with an HTTP/1 status line")
        << start;
  }
  EXPECT_EQ(read("HTTP/1.1 099 OK\r\n\r\n").problem, "the status is below 100");
  EXPECT_TRUE(read("HTTP/1.1 999 Odd\r\n\r\n").text.starts_with("head 999 Odd"));
}

TEST(ResponseParser, BoundsHeadsAndBodies) {
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nA: " + std::string(40000, 'x')).problem, "the head of the answer is too large");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\n\r\nlong", Method::get, SIZE_MAX, {.body_bytes = 3}).problem,
            "the body is larger than allowed");
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong", Method::get, SIZE_MAX, {.body_bytes = 3}).problem,
            "the body is larger than allowed");
}

TEST(ResponseParser, MutatedInputsReadTheSameWholeAndInPieces) {
  std::mt19937 random(20261123);
  auto below = [&](std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random); };
  const std::string inputs[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nServer: x\r\n\r\nhello world",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: u\r\n\r\n",
      "HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nuntil the end",
  };
  for (int round = 0; round < 10000; ++round) {
    std::string input = inputs[below(std::size(inputs))];
    for (std::size_t edits = below(4); edits > 0; --edits) {
      std::size_t at = below(input.size());
      if (below(2)) {
        input[at] = static_cast<char>(below(256));
      } else {
        input.insert(at, input.substr(below(input.size()), below(8)));
      }
    }
    auto whole = read(input);
    auto split = read(input, Method::get, 1 + below(9));
    ASSERT_EQ(split.text, whole.text) << input;
    ASSERT_EQ(split.problem, whole.problem) << input;
  }
}

}  // namespace
}  // namespace http::h1
