// Running a command on the user's terminal. The command has a terminal of its own, inside its view (the app could type
// into the user's, or reconfigure it); the daemon relays the bytes, and this side makes the user's terminal raw.
#pragma once

#include <functional>

#include "client/client.h"

namespace cli {

using RunCommand = std::function<base::Result<int>(const client::RunRequest& request)>;

// Asks for a terminal when standard input and output are one. Returns what `run` returned.
base::Result<int> with_terminal(client::RunRequest request, const RunCommand& run);

}  // namespace cli
