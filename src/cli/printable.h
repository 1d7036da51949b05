// Text that an app printed, for somebody else's terminal.
#pragma once

#include <string>
#include <string_view>

namespace cli {

// Control characters become visible ("\x1b", "\r"), so that an app can neither move the cursor over other lines nor
// reconfigure the terminal of whoever reads its logs. Tabs stay, and so do colours (ECMA-48 SGR: ESC [ … m), which end
// with the text. `--json` gives the text as it was.
std::string printable(std::string_view text);
// The same for a text of several lines.
std::string printable_lines(std::string_view text);

}  // namespace cli
