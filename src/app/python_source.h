// What a Python file says at its top level, read as text: enough to guess where an app is before it is asked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

struct PythonSource {
  struct Assignment {
    std::string name;
    std::string value;                   // the expression's first line, without comment: "Flask(__name__)"
    std::optional<std::string> literal;  // the value of a string, number or True/False: "mysite.wsgi.application"
    int line = 0;
  };
  struct Definition {
    std::string name;
    bool is_class = false;
    int line = 0;
  };
  std::vector<Assignment> assignments;
  std::vector<Definition> definitions;
  std::vector<std::string> imports;  // top-level module names: "flask" of `from flask.views import X`

  static PythonSource parse(std::string_view text);

  const Assignment* find_assignment(std::string_view name) const;  // the last one
  bool defines(std::string_view name) const;
  bool imports_module(std::string_view name) const;
};

// The first string literal after `marker` anywhere in the text, with its line: for
// `os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")`.
struct FoundText {
  std::string text;
  int line = 0;
};
std::optional<FoundText> find_text_after(std::string_view source, std::string_view marker);

}  // namespace app
