#include "websocket/handshake.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "http/h1/scan.h"

namespace websocket {
namespace {

constexpr std::string_view version = "13";

bool names_websocket(std::string_view upgrade) {
  bool found = false;
  http::for_each_token(
      upgrade, [&](std::string_view protocol) { found = found || http::equal_ignoring_case(protocol, "websocket"); });
  return found;
}

// 16 bytes in base64: 22 characters and two equals signs.
bool is_key(std::string_view text) {
  auto is_base64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || http::h1::is_digit(c) || c == '+' || c == '/';
  };
  return text.size() == 24 && text.ends_with("==") && std::ranges::all_of(text.substr(0, 22), is_base64);
}

// The one field of that name; null when there is none or several.
const http::Header* find_only(const http::RequestHead& head, http::HeaderId id) {
  const http::Header* found = nullptr;
  for (const http::Header& header : head.headers) {
    if (header.id != id) continue;
    if (found) return nullptr;
    found = &header;
  }
  return found;
}

std::unexpected<Refusal> refuse(int status, std::string_view reason) {
  return std::unexpected(Refusal{status, reason});
}

}  // namespace

bool asks_for_websocket(const http::RequestHead& head) {
  return !head.upgrade.empty() && names_websocket(head.upgrade);
}

std::expected<Opening, Refusal> read_opening(const http::RequestHead& head) {
  const bool over_http2 = head.method == http::Method::connect;
  if (!over_http2 && (head.method != http::Method::get || head.minor_version == 0 || head.has_body())) {
    return refuse(400, "a WebSocket handshake must be a GET of HTTP/1.1 without a body");
  }
  const http::Header* offered = find_only(head, http::HeaderId::sec_websocket_version);
  if (!offered || offered->value != version) return refuse(426, "only version 13 of WebSocket is spoken here");
  Opening opening;
  if (!over_http2) {
    const http::Header* key = find_only(head, http::HeaderId::sec_websocket_key);
    if (!key || !is_key(key->value)) return refuse(400, "Sec-WebSocket-Key must be 16 bytes in base64");
    opening.key = key->value;
  }
  bool well_formed = true;
  for (const http::Header& header : head.headers) {
    if (header.id != http::HeaderId::sec_websocket_protocol) continue;
    http::for_each_token(header.value, [&](std::string_view name) {
      well_formed = well_formed && http::h1::is_token(name);
      opening.subprotocols.push_back(name);
    });
  }
  if (!well_formed) return refuse(400, "Sec-WebSocket-Protocol must list tokens");
  return opening;
}

std::string accept_key(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> encoded;  // 28 characters and a zero
  ::EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(encoded.data()), 28};
}

std::string new_key() {
  std::array<unsigned char, 16> random;
  if (::RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) base::panic("OpenSSL has no random bytes");
  std::array<unsigned char, 25> encoded;  // 24 characters and a zero
  ::EVP_EncodeBlock(encoded.data(), random.data(), static_cast<int>(random.size()));
  return {reinterpret_cast<const char*>(encoded.data()), 24};
}

}  // namespace websocket
