// app::Digest: SHA-256, fed piece by piece.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace app {

class Digest {
 public:
  Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();
  Digest& add(std::string_view bytes);
  // Adds the length first, so that ("ab","c") and ("a","bc") differ.
  Digest& add_field(std::string_view bytes);
  std::string hex();  // ends it; 64 lower-case digits

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace app
