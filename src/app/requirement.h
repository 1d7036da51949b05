// One pinned requirement, and the requirements.txt that uv reads.
#pragma once

#include <string>
#include <vector>

namespace app {

struct Requirement {
  std::string name;                  // normalised
  std::string version;               // exact; empty when `url` is set
  std::string url;                   // direct archive
  std::vector<std::string> extras;
  std::vector<std::string> hashes;   // "sha256:…"
  std::string marker;                // PEP 508; empty: always
};

using Requirements = std::vector<Requirement>;

// Sorted, one requirement with its hashes a line.
std::string to_requirements_txt(Requirements requirements);

}  // namespace app
