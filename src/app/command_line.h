// app::CommandLine: a command as people write it in a Procfile, split by a shell's quoting rules without a shell.
//
// Understood: words, '…', "…", \x, $NAME, ${NAME}, ${NAME:-default}, leading NAME=value, a leading `exec`, and a
// leading `cd FOLDER &&`. Everything else of a shell's (&&, ||, |, ;, <, >, &, $(…), `…`, globs are plain text) is an
// error that says what to write instead.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace app {

// The environment as expansion sees it; an unset variable is empty text, as in a shell.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
Lookup lookup_in(const std::map<std::string, std::string>& environment);

class CommandLine {
 public:
  static base::Result<CommandLine> parse(std::string_view text);

  // The argument vector. Never empty. A variable gives at most one word part: no splitting, no globbing.
  std::vector<std::string> argv(const Lookup& environment) const;
  // The words with variables left as written ("${PORT}"), for recognising the program.
  std::vector<std::string> words() const;
  // Leading assignments, expanded.
  std::vector<std::pair<std::string, std::string>> assignments(const Lookup& environment) const;
  // From a leading `cd FOLDER &&`; empty: the app's folder.
  const std::string& folder() const { return folder_; }

 private:
  struct Part {
    bool is_variable = false;
    std::string text;      // literal text, or the variable's name
    std::string fallback;  // ${NAME:-fallback}
  };
  using Word = std::vector<Part>;
  static std::string expand(const Word& word, const Lookup& environment);
  static std::string written(const Word& word);

  std::vector<Word> words_;
  std::vector<std::pair<std::string, Word>> assignments_;
  std::string folder_;
  friend class CommandLineReader;
};

}  // namespace app
