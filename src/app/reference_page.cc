// docs/serai-toml.md, written from the settings table.
#include <fmt/core.h>

#include "app/schema.h"
#include "app/text.h"

namespace app {
namespace {

constexpr std::string_view opening =
    R"(# serai.toml

Every setting, generated from the table in `src/app/schema.cc`. The file is optional: what it leaves out is detected, and
`serai detect` explains each finding. Unknown keys are errors that name the file, the line and the nearest valid key.
`serai config show` prints every effective value and where it came from.

Durations carry a unit (`"500ms"`, `"30s"`, `"5m"`, `"1h"`), so do sizes (`"32MiB"` counts in 1024, `"32MB"` in 1000).
A change takes effect by *reload* (running processes stay), *restart* (new processes, no request is lost) or *build*
(the next deploy).
)";

std::string_view effect_name(Effect effect) {
  switch (effect) {
    case Effect::reload:
      return "reload";
    case Effect::restart:
      return "restart";
    case Effect::build:
      return "build";
  }
  return "";
}

std::string cell(std::string text) { return replace_all(std::move(text), "|", "\\|"); }

std::string key_text(const Setting& setting) {
  if (setting.path.ends_with(".*")) return fmt::format("`{}.NAME`", setting.path.substr(0, setting.path.size() - 2));
  return fmt::format("`{}`", setting.path);
}

std::string value_text(const Setting& setting) {
  if (setting.type == Type::choice) return "`\"" + replace_all(std::string(setting.choices), " ", "\"`, `\"") + "\"`";
  return std::string(type_name(setting.type));
}

std::string help_text(const Setting& setting) {
  std::string text(setting.help);
  if (!setting.variable.empty()) text += fmt::format(" The app's variable `{}` sets it too.", setting.variable);
  if (!setting.later_choices.empty())
    text += fmt::format(" Not in this version: {}.", replace_all(std::string(setting.later_choices), " ", ", "));
  if (!setting.example.empty()) text += fmt::format(" Example: `{}`.", setting.example);
  return text;
}

std::string row(const Setting& setting) {
  std::string standard = setting.default_value.empty() ? "–" : fmt::format("`{}`", setting.default_value);
  return fmt::format("| {} | {} | {} | {} | {} |\n", key_text(setting), cell(value_text(setting)), cell(standard),
                     effect_name(setting.effect), cell(help_text(setting)));
}

}  // namespace

std::string reference_page() {
  std::string page(opening), later;
  page += "\n| key | value | default | effect | meaning |\n|---|---|---|---|---|\n";
  for (const auto& setting : settings()) {
    if (setting.type == Type::anything) {
      later += fmt::format("| {} | {} | {} |\n", key_text(setting), setting.help, setting.later);
    } else {
      page += row(setting);
    }
  }
  page +=
      "\n## Not in this version\n\nThese are refused, never ignored.\n\n| key | meaning | meanwhile "
      "|\n|---|---|---|\n" +
      later;
  return page;
}

}  // namespace app
