// http::ResponseCoding: whether and how the body of one response is compressed, and what that changes in its head.
//
//   hold_back for each field ─ settle ─ fields     (begin starts anew)
//
// Compressed are responses of the types that are worth it, from a certain size on, to clients that accept a coding,
// unless the application has coded the body itself, forbids it (Cache-Control: no-transform), sends a part of it or
// vouches for its bytes by a digest. The head then has a weak ETag (RFC 9110 section 8.8.1) and Vary, which others of
// the same kind have, too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/compressor.h"
#include "http/message.h"

namespace http {

struct CodingOptions {
  std::vector<Coding> codings;  // by preference, among those that a client likes equally
  std::uint64_t least_size = 1024;
  std::vector<std::string> types;  // "text/html", "text/*"; empty: the usual ones
};

// Of a Content-Type, with or without parameters: whether it is one of `types`, or of the usual ones.
bool is_worth_compressing(std::string_view content_type, std::span<const std::string> types = {});

class ResponseCoding {
 public:
  // Takes what it needs of the request; `options` must outlive it.
  ResponseCoding(const CodingOptions& options, const RequestHead& request);

  void begin(int status);
  // Takes note of a field of the response. True: `fields` says what becomes of it.
  bool hold_back(std::string_view name, std::string_view value);
  // The Content-Length that was given, where it is a number.
  std::optional<std::uint64_t> declared_length() const;
  // The head is whole. `size`: of the body, where it is known.
  Coding settle(std::optional<std::uint64_t> size);

  using Fields = std::vector<std::pair<std::string_view, std::string>>;
  // What the head has instead of the fields held back, when the body goes in this coding: the settled one, or identity.
  Fields fields(Coding coding) const;

 private:
  enum Held : std::uint8_t { length, tag, vary, ranges };
  static constexpr std::array<std::string_view, 4> held_names = {"content-length", "etag", "vary", "accept-ranges"};

  void hold(Held which, std::string_view value);
  bool is_eligible(std::optional<std::uint64_t> size) const;
  Coding preferred() const;
  std::string weakened_tag() const;
  bool is_for_weakened_tag() const;
  std::string extended_vary() const;

  const CodingOptions& options_;
  std::string accept_encoding_, if_none_match_;
  std::array<std::optional<std::string>, 4> held_;
  std::string type_;
  int status_ = 0;
  bool is_final_form_ = false;  // coded already, or not to be touched
  bool varies_ = false;
};

}  // namespace http
