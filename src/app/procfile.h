// Procfile: one `name: command` a line. Bad and duplicate lines are errors with their number, not guesses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace app {

struct ProcfileLine {
  std::string name;     // "web", "release", "mailer"
  std::string command;  // as written
  int line = 0;
};

base::Result<std::vector<ProcfileLine>> parse_procfile(std::string_view text, std::string_view file = "Procfile");

}  // namespace app
