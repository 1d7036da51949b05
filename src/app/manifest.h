// app::Manifest: what serai.toml says, checked against the schema. Knows where each value came from.
//
// Unknown keys, wrong types and settings of later versions are errors that name file, line and what to write instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/effective.h"
#include "app/value.h"
#include "base/error.h"

namespace app {

class Manifest {
 public:
  // No file at all is the empty manifest. `file` is used in messages.
  static base::Result<Manifest> parse(std::string_view toml, std::string_view file = "serai.toml");

  // What the file (or detection, or the environment) says; nullptr when only the default applies.
  const Value* find(std::string_view path) const;
  std::optional<std::string> text(std::string_view path) const;
  std::optional<std::int64_t> integer(std::string_view path) const;
  std::optional<double> number(std::string_view path) const;
  std::optional<std::chrono::milliseconds> duration(std::string_view path) const;
  std::optional<std::uint64_t> size(std::string_view path) const;
  std::optional<std::vector<std::string>> list(std::string_view path) const;
  // The entries below a table of user-chosen names: table("processes") gives mailer → command.
  std::map<std::string, std::string> table(std::string_view path) const;
  std::map<std::string, Variable> variables() const;
  // "serai.toml:12" for a value of the file.
  std::string where(std::string_view path) const;

  // Fills in what detection found; a value of the file or the environment stays.
  void set_detected(std::string path, Value value, std::string evidence);
  // A variable of the app's environment that stands for a setting (Setting::variable), for example WEB_CONCURRENCY:
  // stronger than the file. Variables that stand for nothing are ignored; a bad value is an error.
  base::Result<void> apply_environment(std::string_view name, std::string_view value);

  // Every setting with its value and origin, in the schema's order.
  Settings effective() const;

 private:
  struct Entry {
    Value value;
    Origin origin;
    std::string evidence;
  };
  std::map<std::string, Entry, std::less<>> entries_;
  friend class ManifestReader;
};

}  // namespace app
