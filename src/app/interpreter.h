// The CPythons of this host, and which one an app asks for.
#pragma once

#include <compare>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/finding.h"
#include "base/error.h"

namespace app {

struct PythonVersion {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const PythonVersion&) const = default;
  std::string text() const;  // "3.11.2"
};

struct Interpreter {
  std::string path;         // the executable with links resolved, as venvs should name it
  PythonVersion version;
  std::string cache_tag;    // "cpython-311": picks the engine
  std::string prefix;       // sys.base_prefix: must be visible in the instance
  std::string platform;     // sysconfig.get_platform() and libc: "linux-x86_64 glibc 2.36"
};

// What the app asks for: "3.13", ">=3.11,<4", "3.12.*", "^3.11", "~3.11". Empty: anything.
class PythonWish {
 public:
  static base::Result<PythonWish> parse(std::string_view text);
  bool accepts(const PythonVersion& version) const;
  bool is_any() const { return clauses_.empty(); }
  const std::string& text() const { return text_; }

 private:
  struct Clause {
    enum class Operator { less, less_equal, greater, greater_equal, equal, not_equal } op;
    PythonVersion version;
    int parts;  // how many parts of the version count: "3.12.*" and "3.12" compare two
  };
  std::string text_;
  std::vector<std::vector<Clause>> clauses_;  // any of these groups, all of its clauses ("||" of Poetry)
};

struct WishFound {
  PythonWish wish;
  Finding finding;
};
class Folder;
// .python-version, runtime.txt, .tool-versions, mise.toml, Pipfile(.lock), pyproject.toml: the first that says it.
// `manifest_wish` is [python] of serai.toml, which wins. Misspelt file names are errors that say the right one.
base::Result<WishFound> find_python_wish(const Folder& folder, std::optional<std::string> manifest_wish);

struct InterpreterSearch {
  std::vector<std::string> folders = {"/usr/bin", "/usr/local/bin"};  // python3, python3.N
  std::vector<std::string> roots;  // folders of installations: ROOT/*/bin/python3 (uv-managed, pyenv's versions)
};
// Standard folders, plus SERAI_PYTHON_PATH (':'-separated folders, each a bin folder or a root of installations).
InterpreterSearch default_search();
// Runs each candidate once (isolated, no site) and keeps those that answer; newest first, Debian's before others of
// the same version. Answers are remembered by path, size and time within this process.
std::vector<Interpreter> find_interpreters(const InterpreterSearch& search);
// The best one: an exact or newest acceptable version, /usr/bin/python3 when anything will do. Versions for which no
// engine exists (`has_engine` false) lose, and the error says which versions are here and how to get others.
base::Result<Interpreter> choose_interpreter(const std::vector<Interpreter>& found, const PythonWish& wish,
                                             const std::vector<std::string>& engine_tags);

}  // namespace app
