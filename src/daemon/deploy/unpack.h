// Unpacking an upload by an unprivileged child: this executable again, as `serai unpack`, with the app's uid.
#pragma once

#include <filesystem>

#include "app/pack.h"
#include "environment/identity.h"

namespace control_plane {

// Unpacks `archive` into `folder`, which is made and given to `owner`.
base::Result<app::Unpacked> unpack_upload(const std::filesystem::path& archive, const std::filesystem::path& folder,
                                          environment::Identity owner);
// The child's side: reads the archive from standard input into the current folder and prints a line of JSON.
int unpack_in_child();

}  // namespace control_plane
