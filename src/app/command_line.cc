#include "app/command_line.h"

#include <cctype>

#include "app/text.h"

namespace app {
namespace {

bool is_name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool is_name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::unexpected<base::Error> shell_only(std::string_view what, std::string advice) {
  return std::unexpected(base::Error(
      base::Kind::invalid, fmt::format("{} needs a shell, and commands run without one", what), std::move(advice)));
}

std::unexpected<base::Error> refuse_operator(std::string_view rest) {
  if (rest.starts_with("&&") || rest.front() == ';') {
    return shell_only(rest.front() == ';' ? "';'" : "'&&'",
                      "put what must run before the start into a line `release: COMMAND`, or the whole line into a "
                      "script and run that");
  }
  if (rest.starts_with("||") || rest.front() == '|')
    return shell_only("'|'", "put the line into a script and run that");
  if (rest.front() == '&')
    return shell_only("'&'", "give the second program a Procfile line of its own: every line runs by itself");
  if (rest.front() == '<' || rest.front() == '>') {
    return shell_only(rest.substr(0, 1) == ">" ? "'>'" : "'<'",
                      "leave it out: output is kept, see `serai logs`; or put the line into a script");
  }
  return shell_only(fmt::format("'{}'", rest.front()),
                    "quote it if it is meant as text, or put the line into a script");
}

}  // namespace

Lookup lookup_in(const std::map<std::string, std::string>& environment) {
  return [&environment](std::string_view name) -> std::optional<std::string> {
    auto found = environment.find(std::string(name));
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
}

// Reads a command's text from left to right.
class CommandLineReader {
 public:
  explicit CommandLineReader(std::string_view text) : rest_(text) {}

  base::Result<CommandLine> read() {
    if (auto done = read_folder(); !done) return std::unexpected(done.error());
    while (skip_blanks(), !rest_.empty()) {
      if (rest_.front() == '#') break;
      auto word = read_word();
      if (!word) return std::unexpected(word.error());
      add(std::move(*word));
    }
    if (line_.words_.empty()) return base::invalid("the command is empty");
    return std::move(line_);
  }

 private:
  using Part = CommandLine::Part;
  using Word = CommandLine::Word;

  void skip_blanks() {
    while (!rest_.empty() && (is_blank(rest_.front()) || rest_.front() == '\n' || rest_.front() == '\r'))
      rest_.remove_prefix(1);
  }

  // `cd FOLDER && …`
  base::Result<void> read_folder() {
    skip_blanks();
    if (!rest_.starts_with("cd ")) return {};
    rest_.remove_prefix(3);
    skip_blanks();
    auto word = read_word();
    if (!word) return std::unexpected(word.error());
    auto folder = CommandLine::written(*word);
    if (!normalize_inside(folder, line_.folder_) || folder.contains('$')) {
      return base::invalid("`cd {}` must name a folder inside the app, relative to it", folder);
    }
    skip_blanks();
    if (!rest_.starts_with("&&")) return base::invalid("`cd {}` must be followed by `&& COMMAND`", folder);
    rest_.remove_prefix(2);
    return {};
  }

  void add(Word word) {
    bool is_first = line_.words_.empty();
    if (is_first && CommandLine::written(word) == "exec") return;  // nothing stands between us and the program anyway
    auto equals = first_literal(word).find('=');
    if (!is_first || equals == std::string::npos || equals == 0 ||
        !is_assignment(first_literal(word).substr(0, equals))) {
      line_.words_.push_back(std::move(word));
      return;
    }
    auto name = word.front().text.substr(0, equals);
    word.front().text.erase(0, equals + 1);
    line_.assignments_.emplace_back(std::move(name), std::move(word));
  }

  static std::string first_literal(const Word& word) {
    return word.empty() || word.front().is_variable ? "" : word.front().text;
  }
  static bool is_assignment(std::string_view name) {
    if (!is_name_start(name.front())) return false;
    for (char c : name) {
      if (!is_name_part(c)) return false;
    }
    return true;
  }

  base::Result<Word> read_word() {
    Word word;
    literal(word);  // so that '' is an empty word, not no word
    while (!rest_.empty() && !is_blank(rest_.front()) && rest_.front() != '\n' && rest_.front() != '\r') {
      if (auto done = read_piece(word); !done) return std::unexpected(done.error());
    }
    return word;
  }

  base::Result<void> read_piece(Word& word) {
    char c = rest_.front();
    if (std::string_view("&|;<>()").contains(c)) return refuse_operator(rest_);
    if (c == '`') return shell_only("a command in `…`", "write its result, or put the line into a script");
    rest_.remove_prefix(1);
    if (c == '\'') return read_single_quoted(word);
    if (c == '"') return read_double_quoted(word);
    if (c == '$') return read_variable(word);
    if (c == '\\') {
      if (rest_.empty()) return base::invalid("the command ends in a lone '\\'");
      c = rest_.front();
      rest_.remove_prefix(1);
    }
    literal(word) += c;
    return {};
  }

  base::Result<void> read_single_quoted(Word& word) {
    auto end = rest_.find('\'');
    if (end == rest_.npos) return base::invalid("a quote (') is not closed");
    literal(word) += rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return {};
  }

  base::Result<void> read_double_quoted(Word& word) {
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return {};
      if (c == '`') return shell_only("a command in `…`", "write its result, or put the line into a script");
      if (c == '$') {
        if (auto done = read_variable(word); !done) return done;
        continue;
      }
      if (c == '\\' && !rest_.empty() && std::string_view("$`\"\\").contains(rest_.front())) {
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      literal(word) += c;
    }
    return base::invalid("a quote (\") is not closed");
  }

  // After '$'.
  base::Result<void> read_variable(Word& word) {
    if (rest_.starts_with('(')) return shell_only("$(…)", "write its result, or put the line into a script");
    if (rest_.starts_with('{')) return read_braced(word);
    if (rest_.empty() || !is_name_start(rest_.front())) {
      literal(word) += '$';
      return {};
    }
    word.push_back({true, std::string(take_name()), {}});
    return {};
  }

  base::Result<void> read_braced(Word& word) {
    rest_.remove_prefix(1);
    Part part{true, std::string(take_name()), {}};
    auto end = rest_.find('}');
    bool has_default = rest_.starts_with(":-") || rest_.starts_with('-');
    if (part.text.empty() || end == rest_.npos || (end != 0 && !has_default)) {
      return base::invalid("expected ${{NAME}} or ${{NAME:-default}}, found \"${{{}{}\"", part.text,
                           rest_.substr(0, 20));
    }
    if (has_default) {
      auto skip = rest_.find('-') + 1;
      part.fallback = rest_.substr(skip, end - skip);
    }
    rest_.remove_prefix(end + 1);
    word.push_back(std::move(part));
    return {};
  }

  std::string_view take_name() {
    std::size_t length = 0;
    while (length < rest_.size() && is_name_part(rest_[length])) ++length;
    auto name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return name;
  }

  // The literal part at the end of the word, made when there is none.
  static std::string& literal(Word& word) {
    if (word.empty() || word.back().is_variable) word.push_back({});
    return word.back().text;
  }

  std::string_view rest_;
  CommandLine line_;
};

base::Result<CommandLine> CommandLine::parse(std::string_view text) {
  if (text.contains('\0')) return base::invalid("the command holds a null character");
  return CommandLineReader(text).read();
}

std::string CommandLine::expand(const Word& word, const Lookup& environment) {
  std::string text;
  for (const auto& part : word) {
    if (!part.is_variable) {
      text += part.text;
      continue;
    }
    auto value = environment(part.text);
    text += value && !value->empty() ? *value : part.fallback;
  }
  return text;
}

std::string CommandLine::written(const Word& word) {
  std::string text;
  for (const auto& part : word)
    text += part.is_variable ? "${" + part.text + (part.fallback.empty() ? "" : ":-" + part.fallback) + "}" : part.text;
  return text;
}

std::vector<std::string> CommandLine::argv(const Lookup& environment) const {
  std::vector<std::string> argv;
  for (const auto& word : words_) {
    auto text = expand(word, environment);
    bool only_variable = word.size() == 2 && word[0].text.empty() && word[1].is_variable;
    if (!text.empty() || !only_variable) argv.push_back(std::move(text));  // an unset, unquoted variable is no word
  }
  if (argv.empty()) argv.emplace_back();
  return argv;
}

std::vector<std::string> CommandLine::words() const {
  std::vector<std::string> words;
  for (const auto& word : words_) words.push_back(written(word));
  return words;
}

std::vector<std::pair<std::string, std::string>> CommandLine::assignments(const Lookup& environment) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, word] : assignments_) found.emplace_back(name, expand(word, environment));
  return found;
}

}  // namespace app
