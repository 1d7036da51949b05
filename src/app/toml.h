// toml++ without exceptions; include it in sources only (it is large).
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// The parser's assertions do not hold for every input ("[[["), although it handles the case right after them. They must
// neither end the process nor, as with clang's NDEBUG builds, become assumptions of the optimizer.
#define TOML_ASSERT(expression) static_cast<void>(0)
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include "base/error.h"

namespace app {

// The error names file and line.
inline base::Result<toml::table> parse_toml(std::string_view text, std::string_view file) {
  auto document = toml::parse(text, file);
  if (document) return std::move(document).table();
  return base::invalid("{}:{}: not valid TOML: {}", file, document.error().source().begin.line,
                       document.error().description());
}

}  // namespace app
