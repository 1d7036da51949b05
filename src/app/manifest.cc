#include "app/manifest.h"

#include <algorithm>

#include "app/manifest_reader.h"
#include "app/text.h"

namespace app {
namespace {

// A sentinel that no key can be: keys of a table come after "processes." and before "processes/".
std::string after_table(std::string_view path) { return std::string(path) + static_cast<char>('.' + 1); }

base::Result<Value> value_from_environment(const Setting& setting, std::string_view name, std::string_view text) {
  long long number;
  if (setting.type == Type::count && parse_number(text, number) && number > 0) return std::int64_t{number};
  return base::invalid("the variable {} must be a whole number of at least 1, found \"{}\"", name, text);
}

}  // namespace

base::Result<Manifest> Manifest::parse(std::string_view text, std::string_view file) {
  auto document = parse_toml(text, file);
  if (!document) return std::unexpected(document.error());
  Manifest manifest;
  if (auto read = ManifestReader(manifest, file).read(*document); !read) return std::unexpected(read.error());
  return manifest;
}

const Value* Manifest::find(std::string_view path) const {
  auto entry = entries_.find(path);
  return entry == entries_.end() ? nullptr : &entry->second.value;
}

template <typename Type>
static std::optional<Type> value_as(const Value* value) {
  auto held = value ? std::get_if<Type>(value) : nullptr;
  return held ? std::optional(*held) : std::nullopt;
}

std::optional<std::string> Manifest::text(std::string_view path) const { return value_as<std::string>(find(path)); }
std::optional<std::int64_t> Manifest::integer(std::string_view path) const {
  return value_as<std::int64_t>(find(path));
}
std::optional<double> Manifest::number(std::string_view path) const { return value_as<double>(find(path)); }
std::optional<std::chrono::milliseconds> Manifest::duration(std::string_view path) const {
  return value_as<std::chrono::milliseconds>(find(path));
}
std::optional<std::vector<std::string>> Manifest::list(std::string_view path) const {
  return value_as<std::vector<std::string>>(find(path));
}
std::optional<std::uint64_t> Manifest::size(std::string_view path) const {
  auto bytes = value_as<Bytes>(find(path));
  return bytes ? std::optional(bytes->count) : std::nullopt;
}

std::map<std::string, std::string> Manifest::table(std::string_view path) const {
  std::map<std::string, std::string> found;
  auto end = entries_.lower_bound(after_table(path));
  for (auto entry = entries_.lower_bound(std::string(path) + "."); entry != end; ++entry) {
    if (auto text = std::get_if<std::string>(&entry->second.value)) found[entry->first.substr(path.size() + 1)] = *text;
  }
  return found;
}

std::map<std::string, Variable> Manifest::variables() const {
  std::map<std::string, Variable> found;
  constexpr std::string_view path = "env";
  auto end = entries_.lower_bound(after_table(path));
  for (auto entry = entries_.lower_bound("env."); entry != end; ++entry) {
    found[entry->first.substr(path.size() + 1)] = std::get<Variable>(entry->second.value);
  }
  return found;
}

std::string Manifest::where(std::string_view path) const {
  auto entry = entries_.find(path);
  return entry == entries_.end() ? std::string() : entry->second.evidence;
}

void Manifest::set_detected(std::string path, Value value, std::string evidence) {
  auto [entry, is_new] =
      entries_.try_emplace(std::move(path), Entry{std::move(value), Origin::detected, std::move(evidence)});
  if (!is_new && entry->second.origin == Origin::detected)
    entry->second = {std::move(value), Origin::detected, std::move(evidence)};
}

base::Result<void> Manifest::apply_environment(std::string_view name, std::string_view text) {
  auto setting = std::ranges::find(settings(), name, &Setting::variable);
  if (name.empty() || setting == settings().end()) return {};
  auto value = value_from_environment(*setting, name, text);
  if (!value) return std::unexpected(value.error());
  entries_.insert_or_assign(std::string(setting->path),
                            Entry{std::move(*value), Origin::env, fmt::format("the variable {}", name)});
  return {};
}

Settings Manifest::effective() const {
  Settings values;
  for (const auto& setting : settings()) {
    if (setting.type == Type::anything) continue;
    bool is_set = false;
    for (const auto& [path, entry] : entries_) {
      if (find_setting(path) != &setting) continue;
      is_set = true;
      values.push_back({path, setting.secret ? "(secret)" : to_text(entry.value), entry.origin, entry.evidence});
    }
    if (!is_set && !setting.path.ends_with(".*"))
      values.push_back({std::string(setting.path), std::string(setting.default_value), Origin::standard, ""});
  }
  return values;
}

}  // namespace app
