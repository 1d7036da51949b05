#include "app/python_wish.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/text.h"
#include "app/toml.h"

namespace app {
namespace {

struct Wish {
  std::string text;
  std::string evidence;
};
using MaybeWish = std::optional<Wish>;

// The first line that says something.
std::string first_line(std::string_view text) {
  for (auto line : split_lines(text)) {
    line = trim(line.substr(0, line.find('#')));
    if (!line.empty()) return std::string(line);
  }
  return {};
}

// "cpython-3.12", "python-3.11.4", "cpython@3.12", "pypy…" stays.
std::string without_implementation(std::string text) {
  for (std::string_view prefix : {"python-", "cpython-", "cpython@", "python@", "python"}) {
    if (text.starts_with(prefix)) return text.substr(prefix.size());
  }
  return text;
}

MaybeWish from_line_file(const Folder& folder, const std::string& name) {
  auto text = folder.find(name, 64 << 10);
  if (!text) return {};
  auto line = without_implementation(first_line(*text));
  if (line.empty()) return {};
  return Wish{line, name};
}

MaybeWish from_tool_versions(const Folder& folder) {
  auto text = folder.find(".tool-versions", 64 << 10);
  if (!text) return {};
  for (auto line : split_lines(*text)) {
    auto words = split_words(line);
    if (words.size() >= 2 && words[0] == "python") return Wish{std::string(words[1]), ".tool-versions"};
  }
  return {};
}

MaybeWish from_mise(const Folder& folder) {
  for (std::string name : {"mise.toml", ".mise.toml"}) {
    auto text = folder.find(name, 1 << 20);
    if (!text) continue;
    auto document = parse_toml(*text, name);
    if (!document) continue;
    auto tool = (*document)["tools"]["python"];
    if (auto version = tool.value<std::string>()) return Wish{*version, name + " [tools] python"};
    if (auto version = tool["version"].value<std::string>()) return Wish{*version, name + " [tools] python"};
  }
  return {};
}

MaybeWish from_pyproject(const Folder& folder) {
  auto text = folder.find("pyproject.toml", 4 << 20);
  if (!text) return {};
  auto document = parse_toml(*text, "pyproject.toml");
  if (!document) return {};
  const auto& table = *document;
  if (auto range = table["project"]["requires-python"].value<std::string>())
    return Wish{*range, "pyproject.toml requires-python"};
  if (auto range = table["tool"]["poetry"]["dependencies"]["python"].value<std::string>())
    return Wish{*range, "pyproject.toml [tool.poetry.dependencies] python"};
  return {};
}

MaybeWish from_pipfile(const Folder& folder) {
  auto text = folder.find("Pipfile.lock", 16 << 20);
  if (!text) return {};
  auto lock = nlohmann::json::parse(*text, nullptr, false);
  if (!lock.is_object() || !lock.contains("_meta") || !lock["_meta"].is_object()) return {};
  auto requires_ = lock["_meta"].value("requires", nlohmann::json::object());
  if (!requires_.is_object()) return {};
  for (auto key : {"python_full_version", "python_version"}) {
    if (requires_.contains(key) && requires_[key].is_string())
      return Wish{requires_[key], fmt::format("Pipfile.lock {}", key)};
  }
  return {};
}

// A file that was surely meant to say the version but has another name.
base::Result<void> refuse_misspelt(const Folder& folder) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> slips = {
      {{"python-version", ".python-version"},
       {".python_version", ".python-version"},
       {"python_version", ".python-version"},
       {".python-version.txt", ".python-version"},
       {".pythonversion", ".python-version"},
       {"runtime", "runtime.txt"},
       {"Runtime.txt", "runtime.txt"},
       {"runtimes.txt", "runtime.txt"},
       {"runtime.text", "runtime.txt"},
       {"runtume.txt", "runtime.txt"}}};
  for (auto [wrong, right] : slips) {
    if (!folder.has_file(std::string(wrong))) continue;
    return std::unexpected(base::Error(
        base::Kind::invalid, fmt::format("{} says which Python to use, but nobody reads a file of that name", wrong),
        fmt::format("rename it to {}", right)));
  }
  return {};
}

MaybeWish wish_in(const Folder& folder) {
  for (std::string name : {".python-version", "runtime.txt"}) {
    if (auto wish = from_line_file(folder, name)) return wish;
  }
  for (auto look : {from_tool_versions, from_mise, from_pyproject, from_pipfile}) {
    if (auto wish = look(folder)) return wish;
  }
  return {};
}

}  // namespace

base::Result<WishFound> find_python_wish(const Folder& folder, const std::optional<std::string>& manifest_wish) {
  auto found = manifest_wish ? MaybeWish(Wish{*manifest_wish, "serai.toml python"}) : wish_in(folder);
  if (!found) {
    if (auto fine = refuse_misspelt(folder); !fine) return std::unexpected(fine.error());
    return WishFound{{},
                     {Finding::Level::found, "python", "the host's own", "nothing asks for a version",
                      "write a version into .python-version"}};
  }
  auto wish = PythonWish::parse(found->text);
  if (!wish)
    return base::wrap(std::move(wish.error()).with_advice("write a version such as 3.11, or a range such as >=3.11,<4"),
                      found->evidence);
  return WishFound{*wish,
                   {Finding::Level::found, "python", wish->text(), found->evidence,
                    "python = \"…\" in serai.toml, or .python-version"}};
}

}  // namespace app
