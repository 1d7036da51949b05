#include "edge/trusted_peers.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <optional>

namespace edge {
namespace {

struct Literal {
  std::array<std::uint8_t, 16> bytes{};
  bool is_v4 = false;
};

std::optional<Literal> parse_literal(const std::string& text) {
  Literal literal;
  literal.is_v4 = ::inet_pton(AF_INET, text.c_str(), literal.bytes.data() + 12) == 1;
  if (literal.is_v4) literal.bytes[10] = literal.bytes[11] = 0xff;
  if (literal.is_v4 || ::inet_pton(AF_INET6, text.c_str(), literal.bytes.data()) == 1) return literal;
  return std::nullopt;
}

bool same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b, int bits) {
  auto whole = static_cast<std::size_t>(bits / 8);
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  auto mask = static_cast<std::uint8_t>(0xff00 >> (bits % 8));
  return bits % 8 == 0 || (a[whole] & mask) == (b[whole] & mask);
}

}  // namespace

base::Result<TrustedPeers> TrustedPeers::parse(const std::vector<std::string>& ranges) {
  TrustedPeers peers;
  for (const auto& text : ranges) {
    auto slash = text.find('/');
    auto literal = parse_literal(text.substr(0, slash));
    int most = literal && literal->is_v4 ? 32 : 128, bits = most;
    if (slash != text.npos) {
      auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
      if (error != std::errc{} || end != text.data() + text.size()) bits = -1;
    }
    if (!literal || bits < 0 || bits > most) {
      return base::invalid("{} is no address range: expected for example 10.0.0.0/8 or 2001:db8::/32", text);
    }
    peers.ranges_.push_back({literal->bytes, bits + 128 - most});
  }
  return peers;
}

bool TrustedPeers::contains(std::string_view address) const {
  if (ranges_.empty()) return false;
  auto literal = parse_literal(std::string(address));
  if (!literal) return false;
  for (const auto& range : ranges_)
    if (same_prefix(range.network, literal->bytes, range.bits)) return true;
  return false;
}

}  // namespace edge
