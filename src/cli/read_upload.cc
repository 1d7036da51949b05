// serai read-upload: the unprivileged child of the daemon that unpacks and reads an upload. Not for people.
#include "cli/command.h"
#include "daemon/daemon.h"

namespace cli {

void add_read_upload(const Parser& parser) {
  struct Options {};
  auto* command =
      add_command(parser, parser.app, "read-upload",
                  "Unpack an archive from standard input into this folder and report", "", std::make_shared<Options>(),
                  [](const Context&, const Options&) -> Result<int> { return control_plane::read_upload_in_child(); });
  command->group("");
}

}  // namespace cli
