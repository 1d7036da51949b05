#include "cli/terminal.h"

#include <termios.h>
#include <unistd.h>

namespace cli {
namespace {

// The user's terminal in raw mode while this lives: keys such as Ctrl-C go to the command.
class RawMode {
 public:
  RawMode() {
    ::tcgetattr(0, &before_);
    termios raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(0, TCSADRAIN, &raw);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() { ::tcsetattr(0, TCSADRAIN, &before_); }

 private:
  termios before_{};
};

}  // namespace

base::Result<int> with_terminal(client::RunRequest request, const RunCommand& run) {
  if (!::isatty(0) || !::isatty(1)) return run(request);
  request.terminal = true;
  RawMode raw;
  return run(request);
}

}  // namespace cli
