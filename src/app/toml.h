// toml++ without exceptions; include it in sources only (it is large).
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "base/error.h"

namespace app {

// The error names file and line.
inline base::Result<toml::table> parse_toml(std::string_view text, std::string_view file) {
  auto document = toml::parse(text, file);
  if (document) return std::move(document).table();
  return base::invalid("{}:{}: not valid TOML: {}", file, document.error().source().begin.line, document.error().description());
}

}  // namespace app
