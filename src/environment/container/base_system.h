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

  // Of this host. Kind::unsupported, with the reason, where it is no Debian.
  static base::Result<BaseRecipe> of_host();
  // What the recipe's layer is found by.
  std::string key() const;
};

// Whether this host has what `make_base` needs.
base::Result<void> can_make_base();
// Fills an existing empty folder. Takes about a minute and the network; needs root. What is mounted on the way is
// mounted where the host does not see it. Given up once `cancel_fd` is readable.
base::Result<void> make_base(const BaseRecipe& recipe, const std::filesystem::path& folder, int cancel_fd = -1);

// Paths of a base that stay out of its layer: caches, logs, documentation, what is this machine's own, and what every
// instance gets anew.
bool stays_out_of_base(const std::string& path);

// The version of an installed package of the system below `root`, without Debian's revision ("2.36"); empty when it is
// not installed.
std::string upstream_version(const std::filesystem::path& root, const std::string& package);

// Of versions like "2.36" and "2.4": numbers, part by part.
bool is_older(const std::string& version, const std::string& than);

// Whether a base has the C library and the Python of this host, which builds are made with. The error says what
// differs.
base::Result<void> check_host(const std::filesystem::path& base);

// /venv was built against an interpreter and a C library of the host: the base must have that interpreter, and no older
// C library. The error says what differs. Nothing in /venv is looked at.
base::Result<void> check_fit(const Parts& parts, const std::filesystem::path& base);

}  // namespace environment
