#include "worker/peer.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>
#include <optional>

namespace worker {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

struct Parsed {
  Bytes bytes{};
  unsigned bits_before;  // prefix of the family inside the 128 bits
};

std::optional<Parsed> parse_address(std::string_view text) {
  std::string terminated(text);
  Parsed parsed{};
  if (::inet_pton(AF_INET6, terminated.c_str(), parsed.bytes.data()) == 1) {
    parsed.bits_before = 0;
    return parsed;
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, terminated.c_str(), &v4) != 1) return std::nullopt;
  parsed.bytes[10] = parsed.bytes[11] = 0xff;
  std::memcpy(&parsed.bytes[12], &v4, sizeof v4);
  parsed.bits_before = 96;
  return parsed;
}

bool same_prefix(const Bytes& a, const Bytes& b, unsigned bits) {
  unsigned whole = bits / 8, rest = bits % 8;
  if (std::memcmp(a.data(), b.data(), whole) != 0) return false;
  if (rest == 0) return true;
  auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return (a[whole] & mask) == (b[whole] & mask);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

base::Result<TrustedPeers> TrustedPeers::parse(const std::vector<std::string>& items) {
  TrustedPeers peers;
  for (const std::string& item : items) {
    if (item == "*")
      peers.everybody_ = true;
    else if (item == "unix")
      peers.unix_ = true;
    else {
      std::string_view text = item;
      std::size_t slash = text.find('/');
      auto parsed = parse_address(text.substr(0, slash));
      if (!parsed) return base::invalid("'{}' is not an address, a block like 10.0.0.0/8, 'unix' or '*'", item);
      unsigned bits = 128 - parsed->bits_before;
      if (slash != std::string_view::npos) {
        std::string_view digits = text.substr(slash + 1);
        unsigned most = bits;
        auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (error != std::errc() || end != digits.data() + digits.size() || bits > most) {
          return base::invalid("'{}': the part after '/' must be a number up to {}", item, most);
        }
      }
      peers.blocks_.push_back({parsed->bytes, parsed->bits_before + bits});
    }
  }
  return peers;
}

bool TrustedPeers::contains(const Peer& peer) const {
  if (everybody_) return true;
  return peer.is_unix ? unix_ : contains(peer.host);
}

bool TrustedPeers::contains(std::string_view address) const {
  if (everybody_) return true;
  if (blocks_.empty()) return false;
  auto parsed = parse_address(address);
  if (!parsed) return false;
  for (const Block& block : blocks_)
    if (same_prefix(parsed->bytes, block.address, block.bits)) return true;
  return false;
}

std::string_view TrustedPeers::client_of(std::string_view chain) const {
  std::string_view found;
  while (true) {
    std::size_t comma = chain.rfind(',');
    std::string_view item = trim(comma == std::string_view::npos ? chain : chain.substr(comma + 1));
    if (!item.empty()) found = item;
    if (comma == std::string_view::npos || (!item.empty() && !everybody_ && !contains(item))) return found;
    chain = chain.substr(0, comma);
  }
}

}  // namespace worker
