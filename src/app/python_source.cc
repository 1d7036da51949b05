#include "app/python_source.h"

#include <algorithm>
#include <cctype>

#include "app/text.h"

namespace app {
namespace {

bool is_name_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::string_view take_name(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && is_name_part(text[length])) ++length;
  return text.substr(0, length);
}

// Follows quotes and brackets over lines, so that only lines that begin a statement at the top level are looked at.
class Scanner {
 public:
  // Whether the next line begins a statement.
  bool at_statement() const { return quote_.empty() && depth_ == 0 && !continued_; }

  // Reads a line to its end; gives the part before a comment.
  std::string_view read(std::string_view line) {
    std::size_t i = 0, end = line.size();
    continued_ = false;
    while (i < line.size()) {
      if (!quote_.empty()) {
        i = skip_quoted(line, i);
      } else if (line[i] == '#') {
        end = i;
        break;
      } else {
        i = read_code(line, i);
      }
    }
    if (quote_.size() == 1) quote_.clear();  // an ordinary string ends with its line
    return line.substr(0, end);
  }

 private:
  std::size_t read_code(std::string_view line, std::size_t i) {
    char c = line[i];
    if (c == '"' || c == '\'') {
      bool triple = line.substr(i, 3) == std::string(3, c);
      quote_ = std::string(triple ? 3 : 1, c);
      return i + quote_.size();
    }
    if (std::string_view("([{").contains(c)) ++depth_;
    if (std::string_view(")]}").contains(c) && depth_ > 0) --depth_;
    if (c == '\\' && i + 1 == line.size()) continued_ = true;
    return i + 1;
  }

  std::size_t skip_quoted(std::string_view line, std::size_t i) {
    if (line[i] == '\\') return i + 2;
    if (line.substr(i).starts_with(quote_)) {
      auto length = quote_.size();
      quote_.clear();
      return i + length;
    }
    return i + 1;
  }

  std::string quote_;
  int depth_ = 0;
  bool continued_ = false;
};

std::optional<std::string> quoted(std::string_view text) {
  if (text.size() < 2 || (text[0] != '"' && text[0] != '\'')) return {};
  auto end = text.find(text[0], 1);
  if (end == text.npos || text.substr(0, end).contains('\\')) return {};
  return std::string(text.substr(1, end - 1));
}

std::optional<std::string> literal_value(std::string_view text) {
  if (auto string = quoted(text)) return text.size() == string->size() + 2 ? string : std::nullopt;
  double number;
  if (parse_number(text, number) || text == "True" || text == "False") return std::string(text);
  return {};
}

void read_import(std::string_view line, PythonSource& source) {
  bool from = line.starts_with("from ");
  auto rest = line.substr(from ? 5 : 7);
  for (auto part : split(from ? rest.substr(0, rest.find(" import")) : rest, ',')) {
    auto name = take_name(trim(part));
    if (!name.empty()) source.imports.emplace_back(name);
  }
}

void read_statement(std::string_view line, int number, PythonSource& source) {
  if (line.starts_with("import ") || line.starts_with("from ")) return read_import(line, source);
  for (std::string_view keyword : {"def ", "async def ", "class "}) {
    if (!line.starts_with(keyword)) continue;
    source.definitions.push_back(
        {std::string(take_name(trim(line.substr(keyword.size())))), keyword == "class ", number});
    return;
  }
  auto name = take_name(line);
  auto rest = trim(line.substr(name.size()));
  if (rest.starts_with(':')) rest = rest.substr(std::min(rest.find('='), rest.size()));  // an annotation
  if (name.empty() || !rest.starts_with('=') || rest.starts_with("==")) return;
  auto value = trim(rest.substr(1));
  source.assignments.push_back({std::string(name), std::string(value), literal_value(value), number});
}

}  // namespace

PythonSource PythonSource::parse(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  PythonSource source;
  Scanner scanner;
  int number = 0;
  for (auto line : split_lines(text)) {
    ++number;
    bool begins = scanner.at_statement();
    auto code = scanner.read(line);
    bool is_top_level = begins && !code.empty() && code[0] != ' ' && code[0] != '\t';
    if (is_top_level) read_statement(trim(code), number, source);
  }
  return source;
}

const PythonSource::Assignment* PythonSource::find_assignment(std::string_view name) const {
  auto found =
      std::find_if(assignments.rbegin(), assignments.rend(), [&](const Assignment& a) { return a.name == name; });
  return found == assignments.rend() ? nullptr : &*found;
}

bool PythonSource::defines(std::string_view name) const {
  return std::ranges::any_of(definitions, [&](const Definition& d) { return d.name == name; });
}

bool PythonSource::imports_module(std::string_view name) const {
  return std::ranges::find(imports, name) != imports.end();
}

std::optional<FoundText> find_text_after(std::string_view source, std::string_view marker) {
  auto at = source.find(marker);
  if (at == source.npos) return {};
  auto rest = source.substr(at + marker.size());
  auto skipped = rest.find_first_not_of(" \t\r\n,=()[]");
  // The marker may itself stand in quotes; then the next quote only closes it.
  if (skipped == 0 && (rest[0] == '"' || rest[0] == '\'')) skipped = rest.find_first_not_of(" \t\r\n,=()[]", 1);
  if (skipped == rest.npos) return {};
  auto text = quoted(rest.substr(skipped));
  if (!text) return {};
  return FoundText{*text, static_cast<int>(1 + std::ranges::count(source.substr(0, at), '\n'))};
}

}  // namespace app
