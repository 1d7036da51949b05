// A plain connection to the daemon's API, for the calls that are more than a question and an answer.
#pragma once

#include <string>

#include "base/fd.h"

namespace client {

base::Result<base::Fd> connect_to_daemon(const std::string& socket);

}  // namespace client
