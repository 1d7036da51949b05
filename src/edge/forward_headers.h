// edge::ForwardHeaders: who the client is, told to apps in headers that only we write.
//
// Written: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded (RFC 7239), X-Real-IP, X-Request-ID. What a
// client sends under these names, and under others that frameworks take for a proxy's word, is dropped; from a trusted
// proxy it is continued.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "edge/request_id.h"
#include "http/message.h"

namespace edge {

struct Peer {
  std::string host;              // literal address; empty for Unix sockets
  bool trusted = false;          // its forwarded headers are believed
  bool secure = false;           // TLS is spoken
  std::string server_name = {};  // what it asked for there (SNI); empty: nothing
};

class ForwardHeaders {
 public:
  // Sets what `out` drops and adds; `id` becomes the incoming id when a trusted peer gave one that fits.
  // What `out` points to then is valid until the next call. One object serves all connections of a thread.
  void apply(const http::RequestHead& head, const Peer& peer, RequestId& id, http::OutgoingRequest& out);
  // Right after `apply`, for a WebSocket that was asked for over HTTP/2 (RFC 8441): the handshake that says the same in
  // HTTP/1.1, with this key.
  void translate_websocket(std::string_view key, http::OutgoingRequest& out);

 private:
  void drop_strange_fields(http::OutgoingRequest& out);
  void add(http::HeaderId id, std::string_view value);

  std::array<http::Header, 7> extra_;
  std::size_t extra_count_ = 0;
  std::array<std::string, 7> values_;
  std::vector<http::Header> kept_;
};

}  // namespace edge
