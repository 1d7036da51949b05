// A terminal of its own for a command that runs under another user: the command gets a pseudo-terminal, never the
// user's, which it could type into (TIOCSTI) or reconfigure.
#pragma once

#include <functional>

#include "client/client.h"

namespace cli {

using RunCommand = std::function<base::Result<int>(const client::RunRequest& request)>;

// When standard input and output are a terminal: runs with a new pseudo-terminal whose bytes and size follow the
// user's; otherwise with the descriptors as they are. Returns what `run` returned.
base::Result<int> with_terminal(client::RunRequest request, const RunCommand& run);

}  // namespace cli
