// http::Compressor: one body in one content coding (RFC 9110 section 8.4.1). gzip is always there; brotli and zstd
// where their headers were at hand when this was built and their shared libraries are on the machine: they are loaded
// when they are first asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace http {

enum class Coding : std::uint8_t { identity, gzip, br, zstd };

// As Content-Encoding has it.
std::string_view coding_name(Coding coding);
std::optional<Coding> find_coding(std::string_view name);
// Whether bodies can be compressed so here. Thread-safe.
bool is_available(Coding coding);

class Compressor {
 public:
  enum class Then { more, flush, end };

  virtual ~Compressor() = default;
  // Appends what comes of `bytes`: with `flush` all of it can be decompressed, with `end` the body is whole. False when
  // there is no memory; then nothing more can be had.
  virtual bool add(std::string_view bytes, Then then, std::string& out) = 0;

  // Null: not available, or no memory. `size`: of the whole body, where it is known; memory is taken accordingly.
  static std::unique_ptr<Compressor> create(Coding coding, std::optional<std::uint64_t> size);
  // About how much memory one takes, in bytes.
  static std::size_t memory_of(Coding coding, std::optional<std::uint64_t> size);
};

}  // namespace http
