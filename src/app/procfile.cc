#include "app/procfile.h"

#include <algorithm>
#include <cctype>

#include "app/command_line.h"
#include "app/text.h"

namespace app {
namespace {

bool is_process_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

std::unexpected<base::Error> bad_line(std::string_view file, int line, std::string message, std::string advice) {
  return std::unexpected(
      base::Error(base::Kind::invalid, fmt::format("{}:{}: {}", file, line, message), std::move(advice)));
}

base::Result<ProcfileLine> parse_line(std::string_view text, std::string_view file, int number) {
  auto colon = text.find(':');
  auto name = trim(text.substr(0, colon));
  if (colon == text.npos || !is_process_name(name)) {
    return bad_line(file, number, fmt::format("expected `name: command`, found \"{}\"", text.substr(0, 60)),
                    "names are letters, digits, '-' and '_'; comments start with '#'");
  }
  auto command = trim(text.substr(colon + 1));
  if (command.empty())
    return bad_line(file, number, fmt::format("{} has no command", name),
                    fmt::format("write `{}: COMMAND` or remove the line", name));
  auto parsed = CommandLine::parse(command);
  if (!parsed)
    return bad_line(file, number, fmt::format("{}: {}", name, parsed.error().message()), parsed.error().advice());
  return ProcfileLine{std::string(name), std::string(command), number};
}

}  // namespace

base::Result<std::vector<ProcfileLine>> parse_procfile(std::string_view text, std::string_view file) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  std::vector<ProcfileLine> lines;
  int number = 0;
  for (auto line : split_lines(text)) {
    ++number;
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    auto parsed = parse_line(line, file, number);
    if (!parsed) return std::unexpected(parsed.error());
    auto earlier = std::ranges::find(lines, parsed->name, &ProcfileLine::name);
    if (earlier != lines.end()) {
      return bad_line(file, number, fmt::format("{} is already defined in line {}", parsed->name, earlier->line),
                      "give each process its own name");
    }
    lines.push_back(std::move(*parsed));
  }
  return lines;
}

}  // namespace app
