#include "daemon/services.h"

#include <sys/random.h>

#include <array>
#include <chrono>

namespace control_plane {

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string new_id() {
  constexpr std::string_view letters = "abcdefghijkmnpqrstuvwxyz23456789";  // 32, none looks like another
  std::array<unsigned char, 12> random{};
  if (::getrandom(random.data(), random.size(), 0) < 0) base::panic("getrandom failed");
  std::string id;
  for (auto byte : random) id += letters[byte % letters.size()];
  return id;
}

}  // namespace control_plane
