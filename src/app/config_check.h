// Whether a Config that came from somebody else holds only what detection could have made of a folder: the checks of
// the schema, applied to what serai.toml, Procfile and conventions became. Internal to this folder.
#pragma once

#include "app/config.h"

namespace app {

base::Result<void> check_config(const Config& config);

}  // namespace app
