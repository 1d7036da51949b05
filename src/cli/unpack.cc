// serai unpack: the unprivileged child of the daemon that unpacks an upload. Not for people.
#include "cli/command.h"
#include "daemon/daemon.h"

namespace cli {

void add_unpack(const Parser& parser) {
  struct Options {};
  auto* command = add_command(parser, parser.app, "unpack", "Unpack an archive from standard input into this folder",
                              "", std::make_shared<Options>(), [](const Context&, const Options&) -> Result<int> {
                                return control_plane::unpack_in_child();
                              });
  command->group("");
}

}  // namespace cli
