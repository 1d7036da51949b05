#include "app/manifest_reader.h"

#include <algorithm>

#include "app/text.h"

namespace app {
namespace {

std::string found_text(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return fmt::format("the text \"{}\"", node.ref<std::string>());
    case toml::node_type::integer:
      return fmt::format("the number {}", node.ref<std::int64_t>());
    case toml::node_type::floating_point:
      return fmt::format("the number {}", node.ref<double>());
    case toml::node_type::boolean:
      return node.ref<bool>() ? "true" : "false";
    default:
      return "a date or time";
  }
}

bool has_word(std::string_view words, std::string_view word) {
  auto list = split(words, ' ');
  return std::ranges::find(list, word) != list.end();
}

}  // namespace

std::string ManifestReader::at(const toml::source_region& where) const {
  return fmt::format("{}:{}", file_, where.begin.line);
}

std::unexpected<base::Error> ManifestReader::later(const std::string& path, std::string_view meanwhile,
                                                   const toml::source_region& where) const {
  return std::unexpected(base::Error(base::Kind::unsupported,
                                     fmt::format("{}: {} is not in this version of Serai", at(where), path),
                                     std::string(meanwhile)));
}

std::unexpected<base::Error> ManifestReader::wrong_type(const Setting& setting, const std::string& path,
                                                        const toml::node& node) const {
  std::string advice = setting.example.empty() ? std::string()
                                               : fmt::format("write for example {} = {}",
                                                             path.substr(path.rfind('.') + 1), setting.example);
  return std::unexpected(base::Error(
      base::Kind::invalid,
      fmt::format("{}: {} must be {}, found {}", at(node.source()), path, type_name(setting.type), found_text(node)),
      advice));
}

base::Result<void> ManifestReader::read_table(const toml::table& table, const std::string& prefix) {
  for (const auto& [name, node] : table) {
    std::string key(name.str());
    auto path = prefix.empty() ? key : prefix + "." + key;
    if (auto done = read_entry(path, key, name, node); !done) return done;
  }
  return {};
}

base::Result<void> ManifestReader::read_entry(const std::string& path, const std::string& key, const toml::key& name,
                                              const toml::node& node) {
  const auto* setting = find_setting(path);
  if (setting && setting->type == Type::anything) return later(path, setting->later, name.source());
  if (setting) return read_value(*setting, path, key, node);
  if (!is_table(path)) {
    auto near = nearest_setting(path);
    auto advice =
        near.empty() ? std::string("see docs/serai-toml.md for all keys") : fmt::format("did you mean {}?", near);
    return std::unexpected(
        base::Error(base::Kind::invalid, fmt::format("{}: unknown key {}", at(name.source()), path), advice));
  }
  if (auto table = node.as_table()) return read_table(*table, path);
  return base::invalid("{}: {} must be a table, found {}", at(node.source()), path, found_text(node));
}

base::Result<void> ManifestReader::read_value(const Setting& setting, const std::string& path, const std::string& key,
                                              const toml::node& node) {
  auto value = convert(setting, path, node);
  if (!value) return std::unexpected(value.error());
  if (setting.check) {
    if (auto problem = setting.check(key, *value)) return base::invalid("{}: {} {}", at(node.source()), path, *problem);
  }
  manifest_.entries_[path] = {std::move(*value), Origin::file, at(node.source())};
  return {};
}

base::Result<Value> ManifestReader::convert(const Setting& setting, const std::string& path,
                                            const toml::node& node) const {
  if (setting.type == Type::variable) return convert_variable(path, node);
  if (setting.type == Type::text_list) return convert_list(setting, path, node);
  if (node.is_table() && !setting.later.empty()) return later(path + " as a range", setting.later, node.source());
  if (node.is_string()) return convert_text(setting, path, node);
  if (auto number = node.value_exact<std::int64_t>()) {
    if (setting.type == Type::integer || setting.type == Type::count) return *number;
    if (setting.type == Type::number) return static_cast<double>(*number);
    if (setting.type == Type::size && *number >= 0) return Bytes{static_cast<std::uint64_t>(*number)};
  }
  if (auto number = node.value_exact<double>(); number && setting.type == Type::number) return *number;
  return wrong_type(setting, path, node);
}

base::Result<Value> ManifestReader::convert_text(const Setting& setting, const std::string& path,
                                                 const toml::node& node) const {
  const auto& text = node.ref<std::string>();
  if (text.contains('\0')) return base::invalid("{}: {} holds a null character", at(node.source()), path);
  switch (setting.type) {
    case Type::text:
    case Type::text_table:
      return text;
    case Type::choice:
      return convert_choice(setting, path, text, node);
    case Type::count:
      if (text == "auto") return text;
      break;
    case Type::duration:
      if (auto duration = parse_duration(text)) return *duration;
      break;
    case Type::size:
      if (auto size = parse_size(text)) return Bytes{*size};
      break;
    default:
      break;
  }
  return wrong_type(setting, path, node);
}

base::Result<Value> ManifestReader::convert_choice(const Setting& setting, const std::string& path,
                                                   const std::string& word, const toml::node& node) const {
  if (has_word(setting.choices, word)) return word;
  auto choices = replace_all(std::string(setting.choices), " ", ", ");
  if (has_word(setting.later_choices, word)) {
    return later(fmt::format("{} = \"{}\"", path, word), "choose among: " + choices, node.source());
  }
  return base::invalid("{}: {} must be one of: {}; found \"{}\"", at(node.source()), path, choices, word);
}

base::Result<Value> ManifestReader::convert_list(const Setting& setting, const std::string& path,
                                                 const toml::node& node) const {
  auto array = node.as_array();
  if (!array) return wrong_type(setting, path, node);
  std::vector<std::string> list;
  for (const auto& item : *array) {
    if (!item.is_string()) return wrong_type(setting, path, item);
    list.push_back(item.ref<std::string>());
  }
  return list;
}

base::Result<Value> ManifestReader::convert_variable(const std::string& path, const toml::node& node) const {
  if (auto text = node.value_exact<std::string>()) {
    if (text->contains('\0')) return base::invalid("{}: {} holds a null character", at(node.source()), path);
    return Variable{Variable::Kind::plain, std::move(*text)};
  }
  auto table = node.as_table();
  if (table && table->size() == 1) {
    auto only = table->begin();  // it owns the pair that it points to
    const auto& [name, rule] = *only;
    auto length = rule.value_exact<std::int64_t>();
    if (name.str() == "generate" && length && *length >= 16 && *length <= 4096) {
      return Variable{Variable::Kind::generate, {}, static_cast<std::uint32_t>(*length)};
    }
    if (name.str() == "generate")
      return base::invalid("{}: {}: generate takes a length from 16 to 4096 characters", at(rule.source()), path);
    if (name.str() == "required" && rule.value_exact<bool>() == true) return Variable{Variable::Kind::required};
  }
  auto advice = node.is_table() ? std::string() : "put the value in quotes: variables are text";
  return std::unexpected(base::Error(
      base::Kind::invalid,
      fmt::format("{}: {} must be {}, found {}", at(node.source()), path, type_name(Type::variable), found_text(node)),
      advice));
}

}  // namespace app
