// Which Python an app asks for, and where it says so.
#pragma once

#include <optional>
#include <string>

#include "app/finding.h"
#include "app/folder.h"
#include "app/interpreter.h"

namespace app {

struct WishFound {
  PythonWish wish;
  Finding finding;
};
// The first that says it: `manifest_wish` ([python] of serai.toml), .python-version, runtime.txt, .tool-versions,
// mise.toml, pyproject.toml (requires-python, Poetry's python), Pipfile(.lock). A misspelt file name (python-version,
// runtimes.txt) is an error that says the right one, as long as no right one is there.
base::Result<WishFound> find_python_wish(const Folder& folder, const std::optional<std::string>& manifest_wish);

}  // namespace app
