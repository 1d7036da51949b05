// Taking back what a deploy made before its switch: after a failure, and by a new daemon for a deploy that died with
// the old one. Idempotent; finds everything from the journal's record.
#pragma once

#include "daemon/services.h"

namespace control_plane {

// The new instance, the release, the upload; the app itself when it has no release. The old instance is not touched.
Result<void> undo(Services& services, const Deploy& record);

}  // namespace control_plane
