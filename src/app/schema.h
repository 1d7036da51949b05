// The settings of serai.toml, each described once. Parsing, checks, `serai config show` and docs/serai-toml.md grow
// from this table.
#pragma once

#include <span>
#include <string>
#include <string_view>

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
  std::string_view default_value;  // as `config show` prints it; empty: none
  std::string_view choices;        // for Type::choice: "auto own"
  Effect effect;
  bool secret;                // the value is never printed
  std::string_view variable;  // the environment variable that sets it; empty: none
  std::string_view later;     // non-empty: not in this version, with what to do meanwhile
  std::string_view help;      // one sentence
  std::string_view example;   // a TOML value
};

// All settings, in the order of the reference page.
std::span<const Setting> settings();
// The setting that describes this path: "processes.mailer" finds "processes.*".
const Setting* find_setting(std::string_view path);
// The known path (or part of one) nearest to a wrong one; empty when none is near.
std::string nearest_setting(std::string_view path);
std::string_view type_name(Type type);  // "a duration such as \"30s\""

// The reference page, docs/serai-toml.md, whole.
std::string reference_page();

}  // namespace app
