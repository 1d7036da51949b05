#include "edge/request_id.h"

#include <sys/random.h>

#include "base/error.h"

namespace edge {
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

}  // namespace edge
