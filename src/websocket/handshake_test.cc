#include "websocket/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/h1/request_parser.h"

namespace websocket {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view usual = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

// Reads a request with these fields and hands its head to `look`.
template <typename Look>
void with_head(std::string_view start_line, std::string_view fields, Look&& look) {
  std::string text = std::string(start_line) + "\r\nHost: example\r\n" + std::string(fields) + "\r\n";
  http::h1::RequestParser parser;
  ASSERT_EQ(parser.next(text).kind, http::Event::Kind::head) << parser.problem().reason;
  look(parser.head());
}

int refusal(std::string_view fields, std::string_view start_line = "GET /chat HTTP/1.1") {
  int status = 0;
  with_head(start_line, "Connection: Upgrade\r\nUpgrade: websocket\r\n" + std::string(fields),
            [&](const http::RequestHead& head) {
              EXPECT_TRUE(asks_for_websocket(head));
              auto opening = read_opening(head);
              if (!opening) status = opening.error().status;
            });
  return status;
}

TEST(Handshake, AnswersTheKeyOfTheRfc) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Handshake, ReadsKeyAndSubprotocols) {
  with_head("GET /chat HTTP/1.1",
            "Connection: keep-alive, Upgrade\r\nUpgrade: foo, WebSocket\r\n" + std::string(usual) +
                "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: v2\r\n",
            [](const http::RequestHead& head) {
              EXPECT_TRUE(asks_for_websocket(head));
              auto opening = read_opening(head);
              ASSERT_TRUE(opening);
              EXPECT_EQ(opening->key, "dGhlIHNhbXBsZSBub25jZQ==");
              EXPECT_THAT(opening->subprotocols, ElementsAre("chat", "superchat", "v2"));
            });
}

TEST(Handshake, TakesAnExtendedConnectOfHttp2) {
  http::RequestHead head;
  head.method = http::Method::connect;
  head.upgrade = "websocket";
  EXPECT_TRUE(asks_for_websocket(head));
  EXPECT_EQ(read_opening(head).error().status, 426);
  head.headers = {{"sec-websocket-version", "13", http::HeaderId::sec_websocket_version},
                  {"sec-websocket-protocol", "chat", http::HeaderId::sec_websocket_protocol}};
  auto opening = read_opening(head);
  ASSERT_TRUE(opening);
  EXPECT_THAT(opening->subprotocols, ElementsAre("chat"));
}

TEST(Handshake, LeavesOtherRequestsAlone) {
  for (std::string_view fields : {"Upgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\n", ""}) {
    with_head("GET / HTTP/1.1", fields, [](const http::RequestHead& head) { EXPECT_FALSE(asks_for_websocket(head)); });
  }
}

TEST(Handshake, RefusesOtherVersionsSoThatTheClientCanTryAgain) {
  EXPECT_EQ(refusal(usual), 0);
  EXPECT_EQ(refusal("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n"), 426);
  EXPECT_EQ(refusal("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 426);
}

TEST(Handshake, RefusesWhatIsNotInOrder) {
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  EXPECT_EQ(refusal(version), 400);
  EXPECT_EQ(refusal(version + "Sec-WebSocket-Key: short\r\n"), 400);
  EXPECT_EQ(refusal(version + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n"), 400);
  EXPECT_EQ(refusal(std::string(usual) + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400);
  EXPECT_EQ(refusal(std::string(usual) + "Sec-WebSocket-Protocol: a b\r\n"), 400);
  EXPECT_EQ(refusal(usual, "POST / HTTP/1.1"), 400);
  EXPECT_EQ(refusal(std::string(usual) + "Content-Length: 4\r\n"), 400);
}

}  // namespace
}  // namespace websocket
