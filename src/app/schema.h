// The settings of serai.toml, each described once. Parsing, checks, `serai config show` and docs/serai-toml.md grow
// from this table.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "app/value.h"

namespace app {

enum class Type {
  text,        // "…"
  choice,      // one of Setting::choices
  integer,     // whole number
  number,      // whole or decimal number
  count,       // "auto" or a whole number
  duration,    // "30s", "5m", "500ms"
  size,        // "32MiB", "1GB", or a number of bytes
  text_list,   // ["…", "…"]
  text_table,  // { key = "…" }; Setting::path ends in ".*"
  variable,    // an entry of [env]: "…", { generate = N } or { required = true }
  anything,    // belongs to a later version: never read
};

// What a change needs to take effect in a running app.
enum class Effect { reload, restart, build };

struct Setting {
  std::string_view path;  // "web.health"; a last part "*" stands for names that the user chooses
  Type type;
  Effect effect;
  std::string_view default_value = {};  // as `config show` prints it; empty: none
  std::string_view help;
  std::string_view example = {};        // a TOML value
  std::string_view choices = {};        // Type::choice: "auto own"
  std::string_view later_choices = {};  // known words that are not in this version
  std::string_view later = {};          // non-empty: the setting is not in this version; says what to do meanwhile
  std::string_view variable = {};       // the variable of the app's environment that sets it
  bool secret = false;                  // the value is never printed
  // What is wrong with a value of the right type ("must start with '/'"), if anything. Gets the last part of the path.
  std::optional<std::string> (*check)(std::string_view key, const Value& value) = nullptr;
};

// All settings, in the order of the reference page.
std::span<const Setting> settings();
// The setting that describes this path: "processes.mailer" finds "processes.*".
const Setting* find_setting(std::string_view path);
// Whether settings lie below this path: "web", "web.static".
bool is_table(std::string_view path);
// The known path (or part of one) nearest to a wrong one; empty when none is near.
std::string nearest_setting(std::string_view path);
std::string_view type_name(Type type);  // "a duration such as \"30s\""

// The reference page, docs/serai-toml.md, whole.
std::string reference_page();

}  // namespace app
