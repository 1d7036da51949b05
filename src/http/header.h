// http::Header: one field of a head, as views, with the id of its name when the name is a known one.
//
// Ids let hot paths switch instead of comparing names: the parser looks each name up once, without allocating.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace http {

// Each known name once: identifier, wire name in lower case. `other` is any name not listed.
#define SERAI_HTTP_KNOWN_HEADERS(X)                         \
  X(accept, "accept")                                       \
  X(accept_charset, "accept-charset")                       \
  X(accept_encoding, "accept-encoding")                     \
  X(accept_language, "accept-language")                     \
  X(accept_ranges, "accept-ranges")                         \
  X(authorization, "authorization")                         \
  X(cache_control, "cache-control")                         \
  X(connection, "connection")                               \
  X(content_disposition, "content-disposition")             \
  X(content_encoding, "content-encoding")                   \
  X(content_language, "content-language")                   \
  X(content_length, "content-length")                       \
  X(content_range, "content-range")                         \
  X(content_type, "content-type")                           \
  X(cookie, "cookie")                                       \
  X(date, "date")                                           \
  X(dnt, "dnt")                                             \
  X(etag, "etag")                                           \
  X(expect, "expect")                                       \
  X(expires, "expires")                                     \
  X(forwarded, "forwarded")                                 \
  X(host, "host")                                           \
  X(if_match, "if-match")                                   \
  X(if_modified_since, "if-modified-since")                 \
  X(if_none_match, "if-none-match")                         \
  X(if_range, "if-range")                                   \
  X(if_unmodified_since, "if-unmodified-since")             \
  X(keep_alive, "keep-alive")                               \
  X(last_modified, "last-modified")                         \
  X(location, "location")                                   \
  X(origin, "origin")                                       \
  X(pragma, "pragma")                                       \
  X(priority, "priority")                                   \
  X(proxy_authenticate, "proxy-authenticate")               \
  X(proxy_authorization, "proxy-authorization")             \
  X(proxy_connection, "proxy-connection")                   \
  X(range, "range")                                         \
  X(referer, "referer")                                     \
  X(sec_fetch_dest, "sec-fetch-dest")                       \
  X(sec_fetch_mode, "sec-fetch-mode")                       \
  X(sec_fetch_site, "sec-fetch-site")                       \
  X(sec_fetch_user, "sec-fetch-user")                       \
  X(sec_websocket_extensions, "sec-websocket-extensions")   \
  X(sec_websocket_key, "sec-websocket-key")                 \
  X(sec_websocket_protocol, "sec-websocket-protocol")       \
  X(sec_websocket_version, "sec-websocket-version")         \
  X(server, "server")                                       \
  X(set_cookie, "set-cookie")                               \
  X(te, "te")                                               \
  X(traceparent, "traceparent")                             \
  X(trailer, "trailer")                                     \
  X(transfer_encoding, "transfer-encoding")                 \
  X(upgrade, "upgrade")                                     \
  X(upgrade_insecure_requests, "upgrade-insecure-requests") \
  X(user_agent, "user-agent")                               \
  X(vary, "vary")                                           \
  X(via, "via")                                             \
  X(www_authenticate, "www-authenticate")                   \
  X(x_csrftoken, "x-csrftoken")                             \
  X(x_forwarded_for, "x-forwarded-for")                     \
  X(x_forwarded_host, "x-forwarded-host")                   \
  X(x_forwarded_port, "x-forwarded-port")                   \
  X(x_forwarded_proto, "x-forwarded-proto")                 \
  X(x_real_ip, "x-real-ip")                                 \
  X(x_request_id, "x-request-id")                           \
  X(x_requested_with, "x-requested-with")

enum class HeaderId : std::uint8_t {
  other,
#define SERAI_HTTP_ID(id, name) id,
  SERAI_HTTP_KNOWN_HEADERS(SERAI_HTTP_ID)
#undef SERAI_HTTP_ID
};

// Wire names in lower case, indexed by HeaderId; `other` is empty.
inline constexpr auto header_names = std::to_array<std::string_view>({"",
#define SERAI_HTTP_NAME(id, name) name,
                                                                      SERAI_HTTP_KNOWN_HEADERS(SERAI_HTTP_NAME)
#undef SERAI_HTTP_NAME
});
#undef SERAI_HTTP_KNOWN_HEADERS

inline constexpr std::string_view header_name(HeaderId id) { return header_names[static_cast<std::size_t>(id)]; }

// A set of known names: `HeaderSet().set(std::size_t(HeaderId::via))`.
using HeaderSet = std::bitset<header_names.size()>;

// The id of a name in any case; `other` when it is not a known one. The name may hold any bytes.
HeaderId find_header_id(std::string_view name);

struct Header {
  std::string_view name;   // as received; compare without regard to case, or by id
  std::string_view value;  // without surrounding white space
  HeaderId id = HeaderId::other;
};

// ASCII case folding only, as RFC 9110 section 5.1 wants for names.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// The same for a `known` of lower-case letters, digits, "-" and "/", eight characters at a time: where `known` has a
// letter (bit 0x40), bit 0x20 does not count, everything else must be equal.
inline bool matches(std::string_view text, std::string_view known) {
  auto differ = [&]<typename Word>(Word, std::size_t at) {
    Word a, b;
    std::memcpy(&a, text.data() + at, sizeof a);
    std::memcpy(&b, known.data() + at, sizeof b);
    const auto case_bits = static_cast<Word>((b & static_cast<Word>(0x4040404040404040)) >> 1);
    return static_cast<Word>(a | case_bits) != b;
  };
  const std::size_t size = known.size();
  if (text.size() != size) return false;
  if (size >= 8) {  // the last eight may overlap the ones before
    for (std::size_t at = 0; at + 8 < size; at += 8) {
      if (differ(std::uint64_t{}, at)) return false;
    }
    return !differ(std::uint64_t{}, size - 8);
  }
  if (size >= 4) return !differ(std::uint32_t{}, 0) && !differ(std::uint32_t{}, size - 4);
  for (std::size_t at = 0; at < size; ++at) {
    if (differ(std::uint8_t{}, at)) return false;
  }
  return true;
}

// The first field of that id or name; null when there is none.
const Header* find_header(std::span<const Header> headers, HeaderId id);
const Header* find_header(std::span<const Header> headers, std::string_view name);

// Calls `visit(element)` for each non-empty element of a comma separated list (RFC 9110 section 5.6.1), trimmed.
// Quoted strings are not looked into: for lists of tokens such as Connection.
template <typename Visit>
void for_each_token(std::string_view list, Visit&& visit) {
  while (!list.empty()) {
    std::size_t comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    std::size_t first = element.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    visit(element.substr(first, element.find_last_not_of(" \t") - first + 1));
  }
}

}  // namespace http
