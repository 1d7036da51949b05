#include "tls/name_table.h"

#include <algorithm>

namespace tls {

std::string normal_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string normal(name);
  std::ranges::transform(normal, normal.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return normal;
}

bool NameTable::add(std::string_view pattern, std::size_t index) {
  std::string name = normal_name(pattern);
  if (name.starts_with("*.")) return wildcard_.emplace(name.substr(2), index).second;
  return exact_.emplace(std::move(name), index).second;
}

std::optional<std::size_t> NameTable::find(std::string_view host) const {
  std::string name = normal_name(host);
  if (auto found = exact_.find(name); found != exact_.end()) return found->second;
  std::size_t dot = name.find('.');
  if (dot == std::string::npos || dot == 0) return std::nullopt;
  auto found = wildcard_.find(std::string_view(name).substr(dot + 1));
  return found == wildcard_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace tls
