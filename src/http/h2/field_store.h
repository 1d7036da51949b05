// http::h2::FieldStore: the bytes of header fields, one behind the other in one piece of memory that is used again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "http/header.h"

namespace http::h2 {

class FieldStore {
 public:
  struct Text {
    std::uint32_t at = 0, size = 0;
  };
  struct Field {
    Text name;  // not there for known names: header_name(id) is it
    Text value;
    HeaderId id = HeaderId::other;
  };

  void clear() {
    base::give_back(bytes_, most_kept);
    fields_.clear();
  }
  Text keep(std::string_view text) {
    Text kept{static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size())};
    bytes_ += text;
    return kept;
  }
  // Lower case, as HTTP/2 has names.
  Text keep_lower(std::string_view name) {
    Text kept = keep(name);
    for (std::size_t at = kept.at; at < bytes_.size(); ++at) {
      if (bytes_[at] >= 'A' && bytes_[at] <= 'Z') bytes_[at] = static_cast<char>(bytes_[at] | 0x20);
    }
    return kept;
  }
  void add(HeaderId id, std::string_view name, std::string_view value) {
    Text kept_name = id == HeaderId::other ? keep_lower(name) : Text{};
    fields_.push_back({kept_name, keep(value), id});
  }

  // Views are valid until something is kept again.
  std::string_view text(Text kept) const { return {bytes_.data() + kept.at, kept.size}; }
  std::string_view name(const Field& field) const {
    return field.id == HeaderId::other ? text(field.name) : header_name(field.id);
  }
  Header header(const Field& field) const { return {name(field), text(field.value), field.id}; }
  const std::vector<Field>& fields() const { return fields_; }
  bool is_empty() const { return fields_.empty(); }

 private:
  static constexpr std::size_t most_kept = 4096;  // bytes that an unused stream holds on to

  std::string bytes_;
  std::vector<Field> fields_;
};

}  // namespace http::h2
