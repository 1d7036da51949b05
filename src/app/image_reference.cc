#include "app/image_reference.h"

#include <algorithm>

namespace app {
namespace {

constexpr std::size_t kMaxName = 255, kMaxTag = 128;
constexpr std::string_view kAlgorithm = "sha256:";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }
bool is_word(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, is_digit);
}

// Letters, digits and hyphens between dots, or an address; no part begins or ends with a hyphen.
bool is_host(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']'))
    return std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) { return is_word(c) || c == ':'; });
  char before = '.';
  for (char c : text) {
    bool joins = c == '.' || c == '-';
    if (!joins && !is_word(c)) return false;
    if (joins && (before == '.' || (c == '.' && before == '-'))) return false;
    before = c;
  }
  return !text.empty() && before != '.' && before != '-';
}

bool is_registry(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == text.npos || text.ends_with(']')) return is_host(text);
  return is_host(text.substr(0, colon)) && is_number(text.substr(colon + 1));
}

// reference.go: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
bool is_component(std::string_view text) {
  if (text.empty() || !is_lower(text.front()) || !is_lower(text.back())) return false;
  for (std::size_t at = 0; at < text.size();) {
    if (is_lower(text[at])) {
      at++;
      continue;
    }
    auto end = std::ranges::find_if(text.substr(at), is_lower) - text.begin();
    auto separator = text.substr(at, static_cast<std::size_t>(end) - at);
    bool hyphens = separator.find_first_not_of('-') == separator.npos;
    if (!hyphens && separator != "." && separator != "_" && separator != "__") return false;
    at += separator.size();
  }
  return true;
}

bool is_repository(std::string_view text) {
  for (;;) {
    auto slash = text.find('/');
    if (!is_component(text.substr(0, slash))) return false;
    if (slash == text.npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view text) {
  auto fits = [](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; };
  return !text.empty() && text.size() <= kMaxTag && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, fits);
}

bool is_digest(std::string_view text) {
  if (!text.starts_with(kAlgorithm) || text.size() != kAlgorithm.size() + 64) return false;
  return std::ranges::all_of(text.substr(kAlgorithm.size()),
                             [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

// Without a dot, a port or this name the first part is a folder of the registry that a tool takes by default.
bool names_registry(std::string_view first) { return first == "localhost" || first.find_first_of(".:") != first.npos; }

std::unexpected<base::Error> wrong(std::string_view text, std::string_view why) {
  return std::unexpected(base::Error(base::Kind::invalid, std::string(why),
                                     "write it as REGISTRY/NAME:TAG, for example registry.example.org/team/shop:r7")
                             .add_context(fmt::format("read the image reference \"{}\"", text)));
}

}  // namespace

base::Result<ImageReference> ImageReference::parse(std::string_view text) {
  constexpr std::string_view kScheme = "docker://";
  auto rest = text;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  ImageReference reference;
  if (auto at = rest.find('@'); at != rest.npos) {
    reference.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_digest(reference.digest)) return wrong(text, "what follows the @ is no sha256: digest");
  }
  auto slash = rest.find('/');
  if (slash == rest.npos || !names_registry(rest.substr(0, slash)))
    return wrong(text, "it does not begin with the name of a registry");
  reference.registry = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  if (!is_registry(reference.registry)) return wrong(text, "the registry is no host name with or without a port");
  if (auto colon = rest.find(':'); colon != rest.npos) {
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(reference.tag)) return wrong(text, "the tag is none: up to 128 letters, digits, _ . -");
  }
  reference.repository = rest;
  if (!is_repository(rest) || reference.registry.size() + 1 + rest.size() > kMaxName)
    return wrong(text, "the name is none: lower-case letters and digits with . _ - between them, and /");
  return reference;
}

std::string ImageReference::to_string() const {
  auto shown_tag = tag.empty() && digest.empty() ? "latest" : tag;
  return registry + "/" + repository + (shown_tag.empty() ? "" : ":" + shown_tag) +
         (digest.empty() ? "" : "@" + digest);
}

}  // namespace app
