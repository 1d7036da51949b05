// One pinned requirement, and the requirements.txt that uv reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace app {

struct Requirement {
  std::string name;     // normalised
  std::string version;  // exact; empty when `url` is set
  std::string url;      // direct archive
  std::vector<std::string> extras;
  std::vector<std::string> hashes;  // "sha256:…"
  std::string marker;               // PEP 508; empty: always
};

// "Foo.Bar_baz" → "foo-bar-baz" (PEP 503).
std::string normalize_name(std::string_view name);

using Requirements = std::vector<Requirement>;

// Whether it can stand in a requirements.txt as it is: the parts come from a lock file and must not hold line breaks,
// options or other lines' text. Every requirement needs a hash.
base::Result<void> check_requirement(const Requirement& requirement);

// Sorted, one requirement with its hashes a line.
std::string to_requirements_txt(Requirements requirements);

}  // namespace app
