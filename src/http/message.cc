#include "http/message.h"

#include <array>

namespace http {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

// The IANA registry of status codes.
constexpr auto phrases = std::to_array<Phrase>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {510, "Not Extended"},
    {511, "Network Authentication Required"},
});

}  // namespace

Method find_method(std::string_view token) {
  switch (token.size()) {
    case 3:
      if (token == "GET") return Method::get;
      if (token == "PUT") return Method::put;
      break;
    case 4:
      if (token == "POST") return Method::post;
      if (token == "HEAD") return Method::head;
      break;
    case 5:
      if (token == "PATCH") return Method::patch;
      if (token == "TRACE") return Method::trace;
      break;
    case 6:
      if (token == "DELETE") return Method::delete_;
      break;
    case 7:
      if (token == "OPTIONS") return Method::options;
      if (token == "CONNECT") return Method::connect;
      break;
  }
  return Method::other;
}

std::string_view reason_phrase(int status) {
  constexpr int first = 100, last = 599;
  static constexpr auto table = [] {
    std::array<std::string_view, last - first + 1> filled{};
    for (const Phrase& phrase : phrases) filled[static_cast<std::size_t>(phrase.status - first)] = phrase.text;
    return filled;
  }();
  return status < first || status > last ? std::string_view{} : table[static_cast<std::size_t>(status - first)];
}

bool is_hop_by_hop(const Header& field, std::span<const Header> headers, bool nominates) {
  switch (field.id) {
    case HeaderId::connection:
    case HeaderId::keep_alive:
    case HeaderId::proxy_authenticate:
    case HeaderId::proxy_authorization:
    case HeaderId::proxy_connection:
    case HeaderId::te:
    case HeaderId::trailer:
    case HeaderId::transfer_encoding:
    case HeaderId::upgrade:
      return true;
    default:
      break;
  }
  if (!nominates) return false;
  bool named = false;
  for (const Header& header : headers) {
    if (header.id != HeaderId::connection) continue;
    for_each_token(header.value, [&](std::string_view token) { named |= equal_ignoring_case(token, field.name); });
  }
  return named;
}

OutgoingRequest OutgoingRequest::of(const RequestHead& head) {
  OutgoingRequest request;
  request.method = head.method_name;
  request.path = head.path;
  request.query = head.query;
  request.has_query = head.has_query;
  request.host = head.host;
  request.headers = head.headers;
  request.nominates = head.nominates;
  request.framing = head.framing;
  request.content_length = head.content_length;
  return request;
}

}  // namespace http
