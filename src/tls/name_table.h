// tls::NameTable: which of several certificates is for a host, by the names that they hold (RFC 6125 section 6.4).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tls {

// Lower case, without the dot at the end: host names are compared in this form.
std::string normal_name(std::string_view name);

class NameTable {
 public:
  // `pattern` is "shop.example" or "*.shop.example", whose asterisk stands for exactly one label. False, and no change,
  // when the name has an index already.
  bool add(std::string_view pattern, std::size_t index);
  // An exact name goes before a wildcard.
  std::optional<std::size_t> find(std::string_view host) const;

 private:
  using Table = std::map<std::string, std::size_t, std::less<>>;
  Table exact_, wildcard_;  // a wildcard without its "*."
};

}  // namespace tls
