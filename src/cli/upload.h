// Packing a folder and streaming it to the daemon, for deploy and detect.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/context.h"

namespace cli {

// The name of the app in a folder: --name, else serai.toml's, else the folder's.
Result<std::string> app_name(const std::string& folder, const std::string& wish);
// Says what is left out, asks about secrets and databases, and uploads; the upload's id.
Result<std::string> pack_and_upload(const Context& context, const std::string& folder);
// "KEY=VALUE" arguments; a bad one is a wrong use.
Result<std::map<std::string, std::string>> parse_assignments(const std::vector<std::string>& arguments);

}  // namespace cli
