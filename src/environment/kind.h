// environment::Kind: which kind of place an instance lives in; its name is what people write: `kind = "dedicated"`,
// `--environment dedicated`, `serai move APP --to dedicated`.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace environment {

enum class Kind {
  shared,     // many apps on one system, each with a user, a view and limits of its own
  dedicated,  // as shared, with CPUs that no other instance runs on and memory that nobody else gets
  container,  // as shared, on a system of its own
  vm,         // a machine and a kernel of its own
};

inline constexpr std::array kAllKinds = {Kind::shared, Kind::dedicated, Kind::container, Kind::vm};
std::string_view to_string(Kind kind);
// Whether instances of this kind cannot use an app's data at the same time as another instance: the old one stops
// before the new one starts.
constexpr bool takes_turns(Kind kind) { return kind == Kind::vm; }
std::optional<Kind> find_kind(std::string_view name);
// The same for what somebody typed: the error lists the names.
base::Result<Kind> parse_kind(std::string_view name);

}  // namespace environment
