// Heads of requests and responses, as a codec hands them out.
//
// Views point into the bytes that were given to the codec (or into static text) and live as long as those stay where
// they are: until the connection's input buffer is consumed or grows. Copy what must live longer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "http/header.h"

namespace http {

enum class Method : std::uint8_t { get, head, post, put, delete_, options, patch, trace, connect, other };

// The method of a token; methods are case-sensitive (RFC 9110 section 9.1), so "get" is `other`.
Method find_method(std::string_view token);

// How the end of a body is known.
enum class Framing : std::uint8_t {
  none,         // there is no body
  length,       // content_length says
  chunked,      // the last chunk says
  until_close,  // the end of the connection says; responses only
};

struct RequestHead {
  Method method = Method::other;
  std::string_view method_name;  // the token as received, also for custom methods
  std::string_view target;       // as received
  std::string_view path;         // percent-encoded; begins with "/", or is "*" (OPTIONS only)
  std::string_view query;        // percent-encoded, without "?"
  std::string_view host;         // authority with optional port; checked; empty only for HTTP/1.0 without Host
  std::string_view upgrade;      // the Upgrade value when Connection says upgrade, otherwise empty
  std::vector<Header> headers;   // in order; for an absolute-form target the Host value is replaced by its authority
  std::uint64_t content_length = 0;  // of Framing::length
  Framing framing = Framing::none;
  std::uint8_t major_version = 1;  // 2: HTTP/2, which has no minor ones (0)
  std::uint8_t minor_version = 1;
  bool keep_alive = true;        // what the client allows; the answer may still say close
  bool expect_continue = false;  // the client waits for 100 before it sends the body
  bool has_query = false;        // "/?" has one that is empty
  bool nominates = false;        // Connection names fields other than close, keep-alive and upgrade

  bool has_body() const { return framing == Framing::chunked || content_length > 0; }
  const Header* find(HeaderId id) const { return find_header(headers, id); }
  const Header* find(std::string_view name) const { return find_header(headers, name); }
};

// A request to be sent: usually one that was received, passed on. Views and spans must outlive the call only.
struct OutgoingRequest {
  std::string_view method;
  std::string_view path;  // percent-encoded, begins with "/", or is "*"
  std::string_view query;
  bool has_query = false;
  std::string_view host;            // becomes the Host field; empty: none is sent and the request is HTTP/1.0
  std::span<const Header> headers;  // hop-by-hop fields, Host, Expect and Content-Length among them are left out
  bool nominates = false;           // as in RequestHead
  HeaderSet drop;                   // fields of `headers` to leave out, such as forwarded fields of strangers
  std::span<const Header> extra;    // written after `headers`
  bool accepts_trailers = false;    // TE: trailers (RFC 9110 section 10.1.4) is said for this connection
  std::string_view upgrade;         // a protocol that the connection may go on with after a 101; empty: none
  Framing framing = Framing::none;  // none, length or chunked
  std::uint64_t content_length = 0;

  // Everything from a received head; set `drop` and `extra` next.
  static OutgoingRequest of(const RequestHead& head);
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  std::vector<Header> headers;
  std::uint64_t content_length = 0;  // of Framing::length, and of answers to HEAD and 304 that declare one
  Framing framing = Framing::none;
  std::uint8_t minor_version = 1;
  bool keep_alive = true;
  bool declares_length = false;  // a Content-Length field is there
  bool nominates = false;

  const Header* find(HeaderId id) const { return find_header(headers, id); }
  const Header* find(std::string_view name) const { return find_header(headers, name); }
};

// "Not Found"; empty for a status without a registered phrase.
std::string_view reason_phrase(int status);
// 1xx, 204 and 304 never have a body (RFC 9110 section 6.4.1).
inline bool status_forbids_body(int status) { return status < 200 || status == 204 || status == 304; }

// Whether a field belongs to one connection only and must not be passed on (RFC 9110 section 7.6.1): the fixed set,
// and, when `nominates`, whatever the Connection fields among `headers` name. Framing fields are in the fixed set:
// whoever passes a message on frames it anew.
bool is_hop_by_hop(const Header& field, std::span<const Header> headers, bool nominates);

}  // namespace http
