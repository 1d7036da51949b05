#include "websocket/extension.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "http/h1/scan.h"
#include "http/header.h"

namespace websocket {
namespace {

constexpr std::uint8_t most_bits = 15;
// zlib cannot compress with a window of 2^8 bytes, though the RFC allows it.
constexpr unsigned least_server_bits = 9, least_client_bits = 8;

std::string_view trim(std::string_view text) {
  std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view take_until(std::string_view& rest, char mark) {
  std::size_t end = rest.find(mark);
  std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return trim(part);
}

struct Parameter {
  std::string_view name;
  std::optional<std::string_view> value;  // without quotes
};

// token [ "=" ( token / quoted-string ) ], where the quoted string's content is a token too.
std::optional<Parameter> parse_parameter(std::string_view text) {
  std::size_t equals = text.find('=');
  Parameter parameter{.name = trim(text.substr(0, equals)), .value = {}};
  if (!http::h1::is_token(parameter.name)) return {};
  if (equals == std::string_view::npos) return parameter;
  std::string_view value = trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  if (!http::h1::is_token(value)) return {};
  parameter.value = value;
  return parameter;
}

// "9" to "15", without leading zeros (RFC 7692 section 7.1.2).
std::optional<std::uint8_t> parse_bits(std::string_view text, unsigned least) {
  unsigned bits = 0;
  if (text.empty() || text.size() > 2 || text.front() == '0') return {};
  for (char c : text) {
    if (!http::h1::is_digit(c)) return {};
    bits = bits * 10 + static_cast<unsigned>(c - '0');
  }
  if (bits < least || bits > most_bits) return {};
  return static_cast<std::uint8_t>(bits);
}

// One offer as far as it has been read; a parameter may stand once.
struct Offer {
  bool server_anew = false, client_anew = false;  // …_no_context_takeover
  std::optional<std::uint8_t> server_bits;
  std::optional<std::uint8_t> client_bits;
  bool client_bits_offered = false;

  bool add(const Parameter& parameter) {
    if (parameter.name == "server_no_context_takeover") return !parameter.value && !std::exchange(server_anew, true);
    if (parameter.name == "client_no_context_takeover") return !parameter.value && !std::exchange(client_anew, true);
    if (parameter.name == "server_max_window_bits") {
      if (server_bits || !parameter.value) return false;
      server_bits = parse_bits(*parameter.value, least_server_bits);
      return server_bits.has_value();
    }
    if (parameter.name == "client_max_window_bits") {
      if (std::exchange(client_bits_offered, true)) return false;
      if (!parameter.value) return true;
      client_bits = parse_bits(*parameter.value, least_client_bits);
      return client_bits.has_value();
    }
    return false;
  }
};

std::optional<Offer> parse_offer(std::string_view text) {
  if (!http::equal_ignoring_case(take_until(text, ';'), "permessage-deflate")) return {};
  Offer offer;
  while (!text.empty()) {
    auto parameter = parse_parameter(take_until(text, ';'));
    if (!parameter || !offer.add(*parameter)) return {};
  }
  return offer;
}

AcceptedDeflate accept(const Offer& offer, const DeflateLimits& limits) {
  AcceptedDeflate accepted{.agreement = {}, .answer = "permessage-deflate"};
  auto& [server, client] = accepted.agreement;
  server = {std::min(offer.server_bits.value_or(most_bits), limits.server_bits), !offer.server_anew};
  client = {most_bits, !offer.client_anew};
  if (offer.server_anew) accepted.answer += "; server_no_context_takeover";
  if (offer.client_anew) accepted.answer += "; client_no_context_takeover";
  // A smaller window than the client expects of us needs no word; saying one that was not asked for confuses some.
  if (offer.server_bits) accepted.answer += fmt::format("; server_max_window_bits={}", server.bits);
  if (offer.client_bits_offered) {
    client.bits = std::min(offer.client_bits.value_or(most_bits), limits.client_bits);
    accepted.answer += fmt::format("; client_max_window_bits={}", client.bits);
  }
  return accepted;
}

}  // namespace

std::optional<AcceptedDeflate> accept_deflate(std::string_view offers, const DeflateLimits& limits) {
  // No parameter that we know holds a comma, so an offer with one inside quotes is none of ours.
  while (!offers.empty()) {
    if (auto offer = parse_offer(take_until(offers, ','))) return accept(*offer, limits);
  }
  return {};
}

}  // namespace websocket
