#include "http/request_id.h"

#include <sys/random.h>

#include <algorithm>

#include "base/error.h"

namespace http {
namespace {

void write_hex(std::uint64_t number, char* into) {
  for (int i = 0; i < 16; i++) into[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
}

// splitmix64's finalizer: a bijection, so different counts stay different.
std::uint64_t scatter(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

bool is_sane_request_id(std::string_view text) {
  constexpr std::string_view signs = "-_.:/+=@~";
  constexpr std::size_t longest = 128;
  return !text.empty() && text.size() <= longest && std::ranges::all_of(text, [&](char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || signs.contains(c);
  });
}

RequestIds::RequestIds() {
  std::uint64_t random[2];
  if (::getrandom(random, sizeof random, 0) != sizeof random) base::panic("the system gives no random numbers");
  process_ = random[0];
  count_ = random[1];
}

RequestId RequestIds::next() {
  RequestId id;
  write_hex(process_, id.data());
  write_hex(scatter(++count_), id.data() + 16);
  return id;
}

}  // namespace http
