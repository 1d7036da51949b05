// The content address of a release.
#pragma once

#include <string>

#include "app/config.h"

namespace app {

struct ReleaseInputs {
  std::string code_digest;   // digest_folder() of the code
  std::string build_digest;  // BuildPlan::digest
  std::string python;        // "3.11.2"
  Config config;
  // Names of secret variables in force; values never enter the hash, but setting one makes a new release through
  // `secret_revision`, a number that the daemon counts up.
  std::vector<std::string> secret_names;
  std::uint64_t secret_revision = 0;
};

// Hex SHA-256 over canonical JSON (sorted keys, no spaces) of the inputs.
std::string release_id(const ReleaseInputs& inputs);
// The first six digits, as shown to people.
std::string short_id(const std::string& id);

}  // namespace app
