// What QEMU says on its QMP socket (qemu: docs/interop/qmp-spec.txt), as far as we listen: one JSON object a line.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace instance {

struct QmpMessage {
  enum class Kind { greeting, answer, error, event } kind = Kind::answer;
  std::string name;    // event: "SHUTDOWN"; error: its class
  std::string detail;  // event SHUTDOWN, GUEST_PANICKED: the reason or action; error: its text; greeting: the version
};
// Fails for a line that is none of these.
base::Result<QmpMessage> parse_qmp(std::string_view line);

// A command without arguments, with its end of line.
std::string qmp_command(std::string_view name);

}  // namespace instance
