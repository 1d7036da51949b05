// What an upload holds, found out by an unprivileged child: this executable again, as `serai read-upload`, with the
// app's uid. It unpacks the archive and reads what a stranger wrote; the daemon reads the child's report only.
#pragma once

#include <filesystem>

#include "app/upload_report.h"
#include "environment/identity.h"

namespace control_plane {

// Unpacks `archive` into `folder`, which is made and given to `owner`, and detects what it is. The child ends with the
// calling thread, after 5 minutes, or beyond 1 GiB of memory; it has no network and starts no processes.
base::Result<app::UploadReport> read_upload(const std::filesystem::path& archive, const std::filesystem::path& folder,
                                            environment::Identity owner, const app::DetectOptions& options);
// The child's side: the archive on standard input, the options on descriptor 3, the report to standard output; unpacks
// into the current folder.
int read_upload_in_child();

}  // namespace control_plane
