// The opening handshake from the server's side: of RFC 6455 section 4.2 on HTTP/1.1, of RFC 8441 on HTTP/2 (an extended
// CONNECT, which has no key).
//
// What the client asks for (subprotocols, Origin) is for the application to judge.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace websocket {

// Whether a request asks to go on as a WebSocket, rightly or not.
bool asks_for_websocket(const http::RequestHead& head);

// A request that asks and is in order. Views of the head.
struct Opening {
  std::string_view key;                        // HTTP/1.1 only
  std::vector<std::string_view> subprotocols;  // in the client's order of preference
};

// Why not: the answer's status and text. With 426 goes `Sec-WebSocket-Version: 13`.
struct Refusal {
  int status = 400;
  std::string_view reason;  // static text
};

std::expected<Opening, Refusal> read_opening(const http::RequestHead& head);

// The Sec-WebSocket-Accept value for a client's key (section 4.2.2).
std::string accept_key(std::string_view key);

// A client's key (section 4.1), for a request that is passed on.
std::string new_key();

}  // namespace websocket
