// control_plane::Services: what the parts of the daemon share. Made in Daemon, passed down; a test makes its own.
#pragma once

#include <string>

#include "daemon/feed.h"
#include "daemon/front.h"
#include "daemon/paths.h"
#include "daemon/routes.h"
#include "daemon/store/store.h"
#include "daemon/tools.h"
#include "daemon/trash.h"
#include "environment/environment.h"

namespace environment {
class Images;
}

namespace control_plane {

struct Services {
  const Paths& paths;
  const Tools& tools;
  Store& store;
  environment::Environment& environment;
  Feed& feed;
  Front& front;
  Routes& routes;
  Trash& trash;
  std::string crash_at;  // for tests: end like kill -9 at this step ("launch") or after it ("launch:after")
  environment::Images* images = nullptr;  // of apps; null where none can be made (tests)
};

// Seconds since the epoch.
std::int64_t now();
// A short random name: 12 lower-case letters and digits.
std::string new_id();

}  // namespace control_plane
