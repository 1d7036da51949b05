// Reads a parsed TOML document into a Manifest by the schema. Internal to this folder.
#pragma once

#include <string>
#include <string_view>

#include "app/manifest.h"
#include "app/schema.h"
#include "app/toml.h"

namespace app {

class ManifestReader {
 public:
  ManifestReader(Manifest& manifest, std::string_view file) : manifest_(manifest), file_(file) {}
  base::Result<void> read(const toml::table& document) { return read_table(document, ""); }

 private:
  base::Result<void> read_table(const toml::table& table, const std::string& prefix);
  base::Result<void> read_entry(const std::string& path, const std::string& key, const toml::key& name,
                                const toml::node& node);
  base::Result<void> read_value(const Setting& setting, const std::string& path, const std::string& key,
                                const toml::node& node);
  base::Result<Value> convert(const Setting& setting, const std::string& path, const toml::node& node) const;
  base::Result<Value> convert_text(const Setting& setting, const std::string& path, const toml::node& node) const;
  base::Result<Value> convert_variable(const std::string& path, const toml::node& node) const;
  base::Result<Value> convert_list(const Setting& setting, const std::string& path, const toml::node& node) const;
  base::Result<Value> convert_choice(const Setting& setting, const std::string& path, const std::string& word,
                                     const toml::node& node) const;
  std::unexpected<base::Error> wrong_type(const Setting& setting, const std::string& path,
                                          const toml::node& node) const;
  std::unexpected<base::Error> later(const std::string& path, std::string_view meanwhile,
                                     const toml::source_region& where) const;
  std::string at(const toml::source_region& where) const;

  Manifest& manifest_;
  std::string file_;
};

}  // namespace app
