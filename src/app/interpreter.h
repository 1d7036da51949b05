// The CPythons of this host, and which one an app asks for.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace app {

struct PythonVersion {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const PythonVersion&) const = default;
  std::string text() const;  // "3.11.2"
};

struct Interpreter {
  std::string path;  // the executable with links resolved, as venvs should name it
  PythonVersion version;
  std::string cache_tag;      // "cpython-311": picks the engine
  std::string prefix;         // sys.base_prefix: must be visible in the instance
  std::string platform;       // sysconfig.get_platform() and the C library: "linux-x86_64 glibc 2.36"
  bool is_default = false;    // the host's own python3
  std::string glibc() const;  // "2.36"; empty with another C library
};

// What the app asks for: "3.13", ">=3.11,<4", "3.12.*", "^3.11", "~3.11", "~=3.11", "^3.9 || ^3.11". Empty: anything.
class PythonWish {
 public:
  static base::Result<PythonWish> parse(std::string_view text);
  // The numbers at the front of a version, "3.11.4"; more than three parts are refused.
  static std::optional<PythonVersion> parse_version(std::string_view text);
  bool accepts(const PythonVersion& version) const;
  // The same as a marker of PEP 508: `python_version >= "3.11" and python_full_version < "4.0.0"`; empty for any.
  std::string marker() const;
  bool is_any() const { return clauses_.empty(); }
  const std::string& text() const { return text_; }

 private:
  struct Clause {
    enum class Operator { less, less_equal, greater, greater_equal, equal, not_equal } op;
    PythonVersion version;
    int parts;  // of the version that count for (in)equality: two for "3.12" and "3.12.*"
    bool accepts(const PythonVersion& other) const;
    std::string marker() const;
  };
  static base::Result<std::vector<Clause>> parse_clause(std::string_view text);
  std::string text_;
  std::vector<std::vector<Clause>> clauses_;  // any of these groups, all of its clauses ("||" of Poetry)
};

struct InterpreterSearch {
  std::vector<std::string> folders;  // that hold python3, python3.N
  std::vector<std::string> roots;    // of installations: ROOT/*/bin/python3 (uv's, pyenv's)
};
// /usr/bin, /usr/local/bin, uv's and pyenv's installations of the daemon's user, and SERAI_PYTHON_PATH (':'-separated,
// each a bin folder or a root of installations).
InterpreterSearch default_search();
// Runs each candidate once (isolated, no site) and keeps those that answer; newest first. Answers are remembered
// within this process by path, size and time of change.
std::vector<Interpreter> find_interpreters(const InterpreterSearch& search);
// The host's own python3 when the wish accepts it, else the newest that it accepts. Only versions with an engine count
// (`engine_tags`: "cpython-311", …). The error says which versions are here and how to get others.
base::Result<Interpreter> choose_interpreter(const std::vector<Interpreter>& found, const PythonWish& wish,
                                             const std::vector<std::string>& engine_tags);

}  // namespace app
