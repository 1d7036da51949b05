// The values of an app's variables: ROOT/apps/<app>/env/<version>.json, mode 0600, one file per env set. They are
// never in the database, in a release's digest, in a log or in an answer of the API.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"

namespace control_plane {

using Variables = std::map<std::string, std::string>;

base::Result<void> write_env_file(const std::filesystem::path& folder, int version, const Variables& values);
// Version 0 is the empty set.
base::Result<Variables> read_env_file(const std::filesystem::path& folder, int version);
// A fresh value for `{ generate = length }`: letters and digits from the kernel's random source.
base::Result<std::string> generate_secret(std::size_t length);
// Fails, without printing any value, for a name that is no variable name or one that Serai sets itself.
base::Result<void> check_variables(const Variables& values);

}  // namespace control_plane
