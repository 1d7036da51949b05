// control_plane::DeployRequest: what somebody asks for with an upload.
#pragma once

#include <optional>
#include <string>

#include "daemon/env_file.h"
#include "environment/kind.h"

namespace control_plane {

struct DeployRequest {
  std::string app, upload;
  Variables env;
  bool only_detect = false;  // stop once it is known how the app would run
  // Where it shall run: stronger than serai.toml, which is stronger than where it runs now.
  std::optional<environment::Kind> kind{};
};

}  // namespace control_plane
