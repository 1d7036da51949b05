#include "daemon/tools.h"

#include <algorithm>

namespace control_plane {

std::vector<std::string> Tools::engine_tags() const {
  std::vector<std::string> tags;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(library_ / "engine", error)) {
    tags.push_back(entry.path().filename().string());
  }
  std::ranges::sort(tags);
  return tags;
}

}  // namespace control_plane
