#include "http/response_coding.h"

#include <algorithm>
#include <charconv>

#include "http/accept_encoding.h"

namespace http {
namespace {

// Media types beside text/… and …+json, …+xml.
constexpr auto usual_types = std::to_array<std::string_view>({
    "application/geojson",
    "application/javascript",
    "application/json",
    "application/msgpack",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/vnd.microsoft.icon",
    "image/x-icon",
});

std::string_view media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return type;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() && equal_ignoring_case(text.substr(0, start.size()), start);
}

bool is_usual(std::string_view type) {
  return starts_with_ignoring_case(type, "text/") || ends_with_ignoring_case(type, "+json") ||
         ends_with_ignoring_case(type, "+xml") ||
         std::ranges::any_of(usual_types, [&](auto usual) { return equal_ignoring_case(type, usual); });
}

bool lists(std::string_view list, std::string_view wanted) {
  bool found = false;
  for_each_token(list, [&](std::string_view token) { found |= equal_ignoring_case(token, wanted); });
  return found;
}

std::string value_of(const RequestHead& request, HeaderId id) {
  const Header* header = request.find(id);
  return header ? std::string(header->value) : std::string();
}

}  // namespace

bool is_worth_compressing(std::string_view content_type, std::span<const std::string> types) {
  std::string_view type = media_type(content_type);
  if (types.empty()) return is_usual(type);
  return std::ranges::any_of(types, [&](std::string_view wanted) {
    if (wanted.ends_with("/*")) return starts_with_ignoring_case(type, wanted.substr(0, wanted.size() - 1));
    return equal_ignoring_case(type, wanted);
  });
}

ResponseCoding::ResponseCoding(const CodingOptions& options, const RequestHead& request)
    : options_(options),
      accept_encoding_(value_of(request, HeaderId::accept_encoding)),
      if_none_match_(value_of(request, HeaderId::if_none_match)) {}

void ResponseCoding::begin(int status) {
  status_ = status;
  held_ = {};
  type_.clear();
  is_final_form_ = varies_ = false;
}

void ResponseCoding::hold(Held which, std::string_view value) {
  auto& held = held_[which];
  if (which == vary && held)
    held->append(", ").append(value);
  else
    held.emplace(value);
}

bool ResponseCoding::hold_back(std::string_view name, std::string_view value) {
  switch (find_header_id(name)) {
    case HeaderId::content_length:
      return hold(length, value), true;
    case HeaderId::etag:
      return hold(tag, value), true;
    case HeaderId::vary:
      return hold(vary, value), true;
    case HeaderId::accept_ranges:
      return hold(ranges, value), true;
    case HeaderId::content_type:
      type_ = value;
      return false;
    case HeaderId::content_encoding:
      is_final_form_ |= !equal_ignoring_case(value, "identity");
      return false;
    case HeaderId::content_range:
      is_final_form_ = true;
      return false;
    case HeaderId::cache_control:
      is_final_form_ |= lists(value, "no-transform");
      return false;
    case HeaderId::other:
      // RFC 9530 and its predecessors.
      is_final_form_ |= equal_ignoring_case(name, "content-digest") || equal_ignoring_case(name, "digest") ||
                        equal_ignoring_case(name, "content-md5");
      return false;
    default:
      return false;
  }
}

std::optional<std::uint64_t> ResponseCoding::declared_length() const {
  if (!held_[length]) return std::nullopt;
  std::uint64_t number = 0;
  const char* end = held_[length]->data() + held_[length]->size();
  auto [rest, error] = std::from_chars(held_[length]->data(), end, number);
  if (error != std::errc() || rest != end) return std::nullopt;
  return number;
}

Coding ResponseCoding::settle(std::optional<std::uint64_t> size) {
  varies_ = is_eligible(size);
  return varies_ ? preferred() : Coding::identity;
}

bool ResponseCoding::is_eligible(std::optional<std::uint64_t> size) const {
  const bool has_whole_body = !status_forbids_body(status_) && status_ != 205 && status_ != 206;
  return has_whole_body && !is_final_form_ && (!size || *size >= options_.least_size) &&
         is_worth_compressing(type_, options_.types);
}

Coding ResponseCoding::preferred() const {
  const Acceptable acceptable = parse_accept_encoding(accept_encoding_);
  const std::array<int, 4> qualities = {0, acceptable.gzip, acceptable.br, acceptable.zstd};  // by Coding
  auto quality_of = [&](Coding coding) { return qualities[static_cast<std::size_t>(coding)]; };
  // Streams of events last for long: the one that takes least memory.
  const bool lasts = equal_ignoring_case(media_type(type_), "text/event-stream");
  Coding best = Coding::identity;
  for (Coding coding : options_.codings) {
    const bool is_leaner = lasts && coding == Coding::gzip && quality_of(coding) == quality_of(best);
    if (quality_of(coding) > quality_of(best) || (is_leaner && quality_of(coding) > 0)) best = coding;
  }
  return best;
}

// A strong one would say that the bytes are those of the uncompressed body.
std::string ResponseCoding::weakened_tag() const {
  return held_[tag]->starts_with('"') ? "W/" + *held_[tag] : *held_[tag];
}

// The client knows the answer by the tag that we have weakened, and compares strong ones as they are.
bool ResponseCoding::is_for_weakened_tag() const {
  if (status_ != 304 || !held_[tag] || !held_[tag]->starts_with('"')) return false;
  bool found = false;
  for_each_token(if_none_match_, [&](std::string_view known) { found |= known == weakened_tag(); });
  return found;
}

std::string ResponseCoding::extended_vary() const {
  constexpr std::string_view ours = "accept-encoding";
  if (!held_[vary] || held_[vary]->empty()) return std::string(ours);
  if (*held_[vary] == "*" || lists(*held_[vary], ours)) return *held_[vary];
  return *held_[vary] + ", " + std::string(ours);
}

ResponseCoding::Fields ResponseCoding::fields(Coding coding) const {
  Fields all;
  const bool is_coded = coding != Coding::identity;
  if (is_coded) all.emplace_back("content-encoding", coding_name(coding));
  if (varies_)
    all.emplace_back("vary", extended_vary());
  else if (held_[vary])
    all.emplace_back("vary", *held_[vary]);
  if (held_[tag]) all.emplace_back("etag", is_coded || is_for_weakened_tag() ? weakened_tag() : *held_[tag]);
  if (is_coded) return all;
  for (Held which : {length, ranges})
    if (held_[which]) all.emplace_back(held_names[which], *held_[which]);
  return all;
}

}  // namespace http
