#include "app/interpreter.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "app/text.h"
#include "base/child.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// "3.11", "3.11.4", "3.9.0rc1", "3.12.*", "3": the version and how many parts were given.
std::optional<std::pair<PythonVersion, int>> version_and_parts(std::string_view text) {
  PythonVersion version;
  std::array<int*, 3> fields = {&version.major, &version.minor, &version.patch};
  int parts = 0;
  for (auto part : split(text, '.')) {
    if (part == "*" && parts > 0) break;
    if (parts == 3) return {};
    auto digits = std::min(part.find_first_not_of("0123456789"), part.size());
    long long number;
    if (digits > 4 || !parse_number(part.substr(0, digits), number)) return {};
    *fields[static_cast<std::size_t>(parts++)] = static_cast<int>(number);
    if (digits < part.size()) break;  // "rc1": a pre-release counts as its release
  }
  return std::pair(version, parts);
}

PythonVersion next_after(PythonVersion version, int part) {
  if (part <= 1) return {version.major + 1, 0, 0};
  return {version.major, version.minor + 1, 0};
}

constexpr std::string_view question =
    "import json, os, platform, sys, sysconfig\n"
    "print(json.dumps({'version': sys.version_info[:3], 'tag': sys.implementation.cache_tag, 'prefix': "
    "sys.base_prefix,\n"
    "  'path': os.path.realpath(sys.executable), 'name': sys.implementation.name, 'final': sys.version_info[3] == "
    "'final',\n"
    "  'platform': sysconfig.get_platform() + ' ' + ' '.join(platform.libc_ver()), 'venv': sys.prefix != "
    "sys.base_prefix}))";

std::optional<Interpreter> ask(const std::string& path) {
  base::Command command;
  command.argv = {path, "-I", "-S", "-c", std::string(question)};
  command.env = std::vector<std::string>{"PATH=/usr/bin:/bin"};
  auto output = base::run(command, seconds(10));
  if (!output || output->timed_out || !base::succeeded(output->status)) return {};
  auto facts = nlohmann::json::parse(output->out, nullptr, false);
  if (facts.is_discarded() || facts.value("name", "") != "cpython" || facts.value("venv", false)) return {};
  auto version = facts["version"];
  return Interpreter{
      facts["path"], {version[0], version[1], version[2]}, facts["tag"], facts["prefix"], facts["platform"]};
}

std::optional<Interpreter> ask_once(const std::string& path) {
  using Key = std::tuple<std::string, off_t, time_t>;
  static std::mutex mutex;
  static std::map<Key, std::optional<Interpreter>> answers;
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return {};
  Key key{path, facts.st_size, facts.st_mtime};
  std::lock_guard lock(mutex);
  auto known = answers.find(key);
  if (known == answers.end()) known = answers.emplace(key, ask(path)).first;
  return known->second;
}

// "python3", "python3.12"; not "python3-config" or "python3.12-dbg".
bool is_interpreter_name(std::string_view name) {
  constexpr std::string_view stem = "python3";
  if (!name.starts_with(stem)) return false;
  name.remove_prefix(stem.size());
  return name.empty() ||
         (name.size() > 1 && name.front() == '.' && name.find_first_not_of("0123456789", 1) == name.npos);
}

// Executables with links resolved, sorted by path.
std::set<std::string> candidates_in(const InterpreterSearch& search) {
  std::set<std::string> found;
  std::error_code none;
  auto add = [&](const fs::path& path) {
    auto real = fs::canonical(path, none);
    if (!none) found.insert(real.string());
  };
  for (const auto& folder : search.folders) {
    for (const auto& entry : fs::directory_iterator(folder, none)) {
      if (is_interpreter_name(entry.path().filename().string())) add(entry.path());
    }
  }
  for (const auto& root : search.roots) {
    for (const auto& entry : fs::directory_iterator(root, none)) add(entry.path() / "bin/python3");
  }
  return found;
}

std::string versions_text(const std::vector<Interpreter>& found, const std::vector<std::string>& engine_tags) {
  std::vector<std::string> with, without;
  for (const auto& one : found) {
    bool has_engine = std::ranges::find(engine_tags, one.cache_tag) != engine_tags.end();
    auto& list = has_engine ? with : without;
    if (std::ranges::find(list, one.version.text()) == list.end()) list.push_back(one.version.text());
  }
  std::string text = with.empty() ? "none" : join(with, ", ");
  if (!without.empty()) text += fmt::format(" (without an engine: {})", join(without, ", "));
  return text;
}

}  // namespace

std::string Interpreter::glibc() const {
  constexpr std::string_view kName = " glibc ";
  auto name = platform.find(kName);
  return name == std::string::npos ? "" : platform.substr(name + kName.size());
}

std::string PythonVersion::text() const { return fmt::format("{}.{}.{}", major, minor, patch); }

bool PythonWish::Clause::accepts(const PythonVersion& other) const {
  auto same = [&] {
    if (other.major != version.major) return false;
    if (parts > 1 && other.minor != version.minor) return false;
    return parts < 3 || other.patch == version.patch;
  };
  switch (op) {
    case Operator::less:
      return other < version;
    case Operator::less_equal:
      return other <= version || same();
    case Operator::greater:
      return other > version && !same();
    case Operator::greater_equal:
      return other >= version;
    case Operator::equal:
      return same();
    case Operator::not_equal:
      return !same();
  }
  return false;
}

std::optional<PythonVersion> PythonWish::parse_version(std::string_view text) {
  auto parsed = version_and_parts(text);
  return parsed ? std::optional(parsed->first) : std::nullopt;
}

std::string PythonWish::Clause::marker() const {
  constexpr std::array<std::string_view, 6> names = {"<", "<=", ">", ">=", "==", "!="};
  auto name = names[static_cast<std::size_t>(op)];
  if (parts == 3) return fmt::format("python_full_version {} \"{}\"", name, version.text());
  bool compares_major = parts == 1 && (op == Operator::equal || op == Operator::not_equal);
  if (compares_major) return fmt::format("python_version {} \"{}.*\"", name, version.major);
  return fmt::format("python_version {} \"{}.{}\"", name, version.major, version.minor);
}

std::string PythonWish::marker() const {
  std::string text;
  for (const auto& group : clauses_) {
    std::string all;
    for (const auto& clause : group) all += (all.empty() ? "" : " and ") + clause.marker();
    text += (text.empty() ? "" : " or ") + all;
  }
  return text;
}

base::Result<std::vector<PythonWish::Clause>> PythonWish::parse_clause(std::string_view text) {
  using enum Clause::Operator;
  auto digits = std::min(text.find_first_of("0123456789"), text.size());
  auto op = trim(text.substr(0, digits));
  auto parsed = version_and_parts(trim(text.substr(digits)));
  if (!parsed) return base::invalid("\"{}\" is not a Python version or range of versions", text);
  auto [version, parts] = *parsed;
  static const std::map<std::string_view, Clause::Operator> plain = {
      {"<", less},  {"<=", less_equal}, {">", greater}, {">=", greater_equal}, {"==", equal},
      {"=", equal}, {"===", equal},     {"", equal},    {"!=", not_equal}};
  if (auto found = plain.find(op); found != plain.end()) return std::vector{Clause{found->second, version, parts}};
  std::vector<Clause> range{{greater_equal, version, 3}};
  // "^3.11" stays below 4, "~3.11" and "~3.11.2" below 3.12, "~=3.11" below 4, "~=3.11.2" below 3.12.
  bool below_major = op == "^" || (op == "~=" && parts <= 2) || parts == 1;
  if (op != "^" && op != "~" && op != "~=")
    return base::invalid("\"{}\" is not a Python version or range of versions", text);
  range.push_back({less, next_after(version, below_major ? 1 : 2), 3});
  return range;
}

base::Result<PythonWish> PythonWish::parse(std::string_view text) {
  PythonWish wish;
  text = trim(text);
  wish.text_ = text;
  if (text.empty() || text == "*") return wish;
  auto alternatives = replace_all(wish.text_, "||", "|");
  for (auto alternative : split(alternatives, '|')) {
    auto& group = wish.clauses_.emplace_back();
    for (auto part : split(alternative, ',')) {
      auto clauses = parse_clause(trim(part));
      if (!clauses) return std::unexpected(clauses.error());
      group.insert(group.end(), clauses->begin(), clauses->end());
    }
  }
  return wish;
}

bool PythonWish::accepts(const PythonVersion& version) const {
  auto accepted = [&](const std::vector<Clause>& group) {
    return std::ranges::all_of(group, [&](const Clause& clause) { return clause.accepts(version); });
  };
  return clauses_.empty() || std::ranges::any_of(clauses_, accepted);
}

InterpreterSearch default_search() {
  InterpreterSearch search{{"/usr/bin", "/usr/local/bin"}, {}};
  if (const char* home = std::getenv("HOME")) {
    search.roots.push_back(std::string(home) + "/.local/share/uv/python");
    search.roots.push_back(std::string(home) + "/.pyenv/versions");
  }
  if (const char* extra = std::getenv("SERAI_PYTHON_PATH")) {
    for (auto folder : split(extra, ':')) {
      if (folder.empty()) continue;
      search.folders.emplace_back(folder);
      search.roots.emplace_back(folder);
    }
  }
  return search;
}

std::vector<Interpreter> find_interpreters(const InterpreterSearch& search) {
  std::error_code none;
  auto host = fs::canonical("/usr/bin/python3", none).string();
  std::vector<Interpreter> found;
  for (const auto& path : candidates_in(search)) {
    auto interpreter = ask_once(path);
    if (!interpreter) continue;
    interpreter->is_default = interpreter->path == host;
    found.push_back(std::move(*interpreter));
  }
  std::ranges::stable_sort(found, [](const auto& a, const auto& b) {
    return std::pair(a.version, a.is_default) > std::pair(b.version, b.is_default);
  });
  return found;
}

base::Result<Interpreter> choose_interpreter(const std::vector<Interpreter>& found, const PythonWish& wish,
                                             const std::vector<std::string>& engine_tags) {
  const Interpreter* best = nullptr;
  for (const auto& one : found) {
    bool has_engine = std::ranges::find(engine_tags, one.cache_tag) != engine_tags.end();
    if (!has_engine || !wish.accepts(one.version)) continue;
    if (!best || one.is_default) best = &one;
  }
  if (best) return *best;
  auto wanted = wish.is_any() ? std::string("any") : wish.text();
  return std::unexpected(base::Error(
      base::Kind::not_found,
      fmt::format("no Python {} for the app; found here: {}", wanted, versions_text(found, engine_tags)),
      "install one (uv python install VERSION, or your distribution's package), or ask for a version that is here"));
}

}  // namespace app
