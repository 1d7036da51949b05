// The lowest layer of a container's image: a small Debian of this host's release, made by mmdebstrap from this host's
// package sources.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "environment/spec.h"

namespace environment {

struct BaseRecipe {
  std::string suite;                  // "bookworm"
  std::vector<std::string> packages;  // besides Debian's essential ones; sorted
  std::vector<std::string> sources;   // files of apt's that name the suite

  // Of this host. Kind::unsupported, with the reason, where it is no Debian or mmdebstrap is missing.
  static base::Result<BaseRecipe> of_host();
  // What the recipe's layer is found by.
  std::string key() const;
};

// Fills an existing empty folder. Takes about a minute and the network; needs root.
base::Result<void> make_base(const BaseRecipe& recipe, const std::filesystem::path& folder);

// Paths of a base that stay out of its layer: caches, logs, documentation, what is this machine's own, and what every
// instance gets anew.
bool stays_out_of_base(const std::string& path);

// The version of an installed package of the system below `root`, without Debian's revision ("2.36"); empty when it is
// not installed.
std::string upstream_version(const std::filesystem::path& root, const std::string& package);

// /venv was built against this host's interpreter and C library: they must be of the same versions in the base. The
// error says what differs.
base::Result<void> check_fit(const Parts& parts, const std::filesystem::path& base);

}  // namespace environment
