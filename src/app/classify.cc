#include "app/classify.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "app/text.h"

namespace app {
namespace {

constexpr unsigned bit(Stage stage) { return 1u << static_cast<unsigned>(stage); }
constexpr unsigned build = bit(Stage::build);
constexpr unsigned python =
    bit(Stage::detect) | bit(Stage::build_phase) | bit(Stage::release_phase) | bit(Stage::launch);
constexpr unsigned any = build | python;

struct Rule {
  unsigned stages;
  std::string_view pattern;  // of one line; each '*' takes any text, and is {0}, {1}, … in cause and advice
  std::string_view code, cause, advice;
  std::string_view also = {};  // must stand somewhere in the output, too
};

// The first rule that matches any line wins: the particular stand before the general.
constexpr std::array rules = {
    Rule{any, "No space left on device", "disk-full", "the disk is full",
         "free space (`df -h` and `du` show what is used), or destroy apps you no longer need"},
    Rule{any, "Disk quota exceeded", "disk-full", "the app's disk quota is used up",
         "free space in the app's data, or have the file system's administrator raise the user's quota"},
    Rule{any, "MemoryError", "out-of-memory", "Python ran out of memory",
         "raise [allocation] memory in serai.toml, or use fewer workers"},
    Rule{any, "Cannot allocate memory", "out-of-memory", "a process got no memory",
         "raise [allocation] memory in serai.toml, or use fewer workers"},

    Rule{build, "Hash mismatch for `*`", "hash-mismatch", "the content of {0} does not have the hash that {lock} says",
         "lock anew ({lock}) if the package was published again; if not, somebody may have tampered with it"},
    Rule{build, "In `--require-hashes` mode, all requirements must have *", "unhashed",
         "some requirements have hashes and some have not ({0})",
         "generate all of them: uv pip compile --generate-hashes requirements.in -o requirements.txt"},
    Rule{build, "resolved to Python *, which is incompatible with the project's Python requirement: `*`",
         "wrong-python", "the project needs Python {1}, the chosen one is {0}",
         "write a version that fits both into .python-version, or install that Python on the host"},
    Rule{build, "The requested interpreter resolved to Python *, which is incompatible with *", "wrong-python",
         "Python {0} was chosen, which is incompatible with {1}", "write a version that fits into .python-version"},
    Rule{build, "current Python version (*) does not satisfy Python*", "wrong-python",
         "a dependency needs Python {1}, the chosen one is {0}",
         "write a version that fits into .python-version, or lock for this Python"},
    Rule{build, "Requires-Python *", "wrong-python", "a dependency needs Python {0}",
         "write a version that fits into .python-version, or lock for this Python"},
    Rule{build, "Because * was not found in the package registry", "no-such-package", "the package index has no {0}",
         "check the spelling in the requirements, or name the index that holds it"},
    Rule{build, "Because * was not found in the provided package locations", "no-such-package", "there is no {0}",
         "check the spelling in the requirements"},
    Rule{build, "Because there is no version of * and", "no-matching-distribution", "there is no version {0}",
         "ask for a version that exists, and lock anew"},
    Rule{build, "Because there are no versions of * and", "no-matching-distribution", "there is no version of {0}",
         "ask for a version that exists, and lock anew"},
    Rule{build, "* has no wheels with a matching *", "no-wheel", "{0} has no wheel for this Python or platform ({1})",
         "use a Python for which it is published, or another version of it"},
    Rule{build, "can't be installed because it doesn't have a source distribution or wheel for the current platform",
         "no-wheel", "a locked package has neither a wheel for this platform nor a source distribution",
         "use a Python for which it is published, or lock another version"},
    Rule{build, "No solution found when resolving dependencies", "no-matching-distribution",
         "the requirements contradict each other or cannot be found",
         "see the lines below it, correct the requirements and lock anew"},
    Rule{build, "fatal error: Python.h: No such file or directory", "missing-header",
         "Python's headers are not installed, and a package is built from source", "install python3-dev on the host"},
    Rule{build, "fatal error: *: No such file or directory", "missing-header",
         "the header {0} is missing, and a package is built from source",
         "install the system package that holds {0} on the host, or a version with wheels"},
    Rule{build, "error: command '*' failed: No such file or directory", "missing-compiler",
         "{0} is not installed, and a package is built from source",
         "install build-essential on the host, or a version with wheels"},
    Rule{build, "unable to execute '*'", "missing-compiler", "{0} is not installed, and a package is built from source",
         "install build-essential on the host, or a version with wheels"},
    Rule{build, "pg_config executable not found", "missing-header",
         "PostgreSQL's client library is not installed, and psycopg is built from source",
         "require psycopg[binary] or psycopg2-binary, or install libpq-dev on the host"},
    Rule{build, "Package '*', required by 'virtual:world', not found", "missing-header",
         "the system library {0} is not installed, and a package is built from source",
         "install its development package on the host"},
    Rule{build, "Git executable not found", "missing-git",
         "a dependency comes from a git repository, and git is not installed",
         "install git on the host, or depend on a published version"},
    Rule{build, "401 Unauthorized", "index-denied", "the package index wants a login",
         "give the daemon UV_INDEX with its credentials"},
    Rule{build, "403 Forbidden", "index-denied", "the package index refuses access",
         "check the index and its credentials"},
    Rule{build, "failed to lookup address information", "network-unreachable",
         "the package index cannot be reached: its name does not resolve",
         "check the host's DNS and network, then deploy again"},
    Rule{build, "dns error", "network-unreachable", "the package index cannot be reached: its name does not resolve",
         "check the host's DNS and network, then deploy again"},
    Rule{build, "error sending request for url (*)", "network-unreachable", "{0} cannot be reached",
         "check the host's network and proxy settings, then deploy again"},
    Rule{build, "Failed to fetch: `*`", "network-unreachable", "{0} could not be fetched",
         "check the host's network and the index, then deploy again"},
    Rule{build, "The lockfile at `*` needs to be updated", "stale-lock", "{0} does not fit pyproject.toml",
         "run `uv lock` and deploy again"},
    Rule{build, "Failed to parse `*`", "bad-lock", "{0} cannot be read", "make it anew with the tool that wrote it"},
    Rule{build, "Failed to parse lockfile", "bad-lock", "the lock file cannot be read",
         "make it anew with the tool that wrote it"},
    Rule{build, "TOML parse error at line *, column *", "bad-lock", "a TOML file is broken at line {0}, column {1}",
         "correct it, or make it anew with the tool that wrote it"},
    Rule{build, "Couldn't parse requirement in `*` at position *", "bad-lock", "{0} cannot be read at position {1}",
         "correct the line"},
    Rule{build, "ModuleNotFoundError: No module named '*'", "missing-build-dependency",
         "a package's build needs the module {0} and does not say so",
         "add it under [tool.uv.extra-build-dependencies], or use a version with wheels"},
    Rule{build, "Failed to build `*`", "build-failed", "{0} could not be built from source",
         "see its compiler output, or use a version with wheels"},
    Rule{build, "Failed to download and build `*`", "build-failed", "{0} could not be built from source",
         "see its compiler output, or use a version with wheels"},

    Rule{python, "ModuleNotFoundError: No module named '*'", "module-not-found",
         "the module {0} is imported but not installed",
         "add its package to the project's dependencies ({lock}) and lock anew"},
    Rule{python, "ImportError: *: cannot open shared object file", "missing-library",
         "the system library {0} is not installed", "install the system package that holds it on the host"},
    Rule{python, "ImportError: cannot import name '*' from '*'", "import-error", "{1} has no {0}",
         "check that the installed version is the one the code was written for"},
    Rule{python, "ImproperlyConfigured: The SECRET_KEY setting must not be empty", "missing-variable",
         "the site has no SECRET_KEY",
         "serai env set SECRET_KEY=…, or SECRET_KEY = { generate = 50 } under [env] in serai.toml"},
    Rule{python, "ImproperlyConfigured: Set the * environment variable", "missing-variable",
         "the variable {0} is not set", "serai env set {0}=…"},
    Rule{python, "UndefinedValueError: * not found", "missing-variable", "the variable {0} is not set",
         "serai env set {0}=…"},
    Rule{python, "KeyError: '*'", "missing-variable", "the variable {0} is not set", "serai env set {0}=…",
         "os.environ"},
    Rule{python, "EnvError: Environment variable \"*\" not set", "missing-variable", "the variable {0} is not set",
         "serai env set {0}=…"},
    Rule{python, "ValidationError: * for *Settings", "missing-variable", "the app's settings lack values ({0})",
         "set the variables named in the output: serai env set NAME=…"},
    Rule{python, "ImproperlyConfigured: *", "improperly-configured", "Django's settings are incomplete: {0}",
         "correct the settings module, or set the variable it reads: serai env set NAME=…"},
    Rule{python, "sqlite3.OperationalError: attempt to write a readonly database", "database-readonly",
         "the SQLite database cannot be written",
         "keep it below the project's folder; `serai detect` shows what is kept"},
    Rule{python, "OperationalError: unable to open database file", "database-unopened",
         "the SQLite database cannot be opened: its folder does not exist or cannot be written",
         "keep it below the project's folder, and make the folder part of the project"},
    Rule{python, "OperationalError: no such table: *", "missing-table",
         "the database has no table {0}: migrations have not run",
         "add a line `release: python manage.py migrate --noinput` to the Procfile"},
    Rule{python, "OperationalError: no such column: *", "missing-column",
         "the database has no column {0}: a migration is missing",
         "make the migration (python manage.py makemigrations) and deploy it"},
    Rule{python, "connection to server at \"*\"*failed: *", "database-unreachable",
         "the database server {0} cannot be reached: {2}", "check DATABASE_URL and that the server runs"},
    Rule{python, "could not translate host name \"*\"", "database-unreachable",
         "the database server's name {0} does not resolve", "check DATABASE_URL"},
    Rule{python, "Can't connect to MySQL server on '*'", "database-unreachable",
         "the database server {0} cannot be reached", "check DATABASE_URL and that the server runs"},
    Rule{python, "redis.exceptions.ConnectionError: *", "service-unreachable", "Redis cannot be reached: {0}",
         "check REDIS_URL and that Redis runs"},
    Rule{python, "ConnectionRefusedError: *", "service-unreachable",
         "a service that the app needs refuses connections: {0}", "check its address and that it runs"},
    Rule{python, "InconsistentMigrationHistory: *", "migration-failed", "the migrations do not fit the database: {0}",
         "bring the migrations in line with those already applied"},
    Rule{python, "CommandError: Conflicting migrations detected*", "migration-failed",
         "two migrations claim the same place", "python manage.py makemigrations --merge"},
    Rule{python, "NodeNotFoundError: *", "migration-failed", "a migration refers to one that does not exist: {0}",
         "add the missing migration file to the project"},
    Rule{python, "CommandError: *", "command-failed", "the command refuses: {0}",
         "correct the command or its configuration"},
    Rule{python, "Unknown command: '*'", "command-failed", "Django has no command {0}",
         "check the spelling, and that its app is in INSTALLED_APPS"},
    Rule{bit(Stage::build_phase), "Read-only file system: '/venv*'", "read-only-venv",
         "a build phase changes what is installed in /venv, which other releases run on too",
         "add what it installs to the project's dependencies, and lock anew"},
    Rule{python, "Read-only file system: '*'", "read-only",
         "{0} cannot be written: it belongs to the release or the system",
         "write below the project's folder, to files that are not part of the release"},
    Rule{python, "PermissionError: [Errno 13] Permission denied: '*'", "permission-denied",
         "{0} cannot be written or read by the app", "write below the project's folder"},
    Rule{python, "[Errno 98] Address already in use", "address-in-use", "the program binds a port that is taken",
         "bind $HOST and $PORT, which Serai sets"},
    Rule{python, "can't open file '*'", "no-such-file", "there is no file {0}",
         "check the command; paths are relative to the project's folder"},
    Rule{python, "FileNotFoundError: [Errno 2] No such file or directory: '*'", "no-such-file", "there is no file {0}",
         "check the path, and that no ignore file leaves it out of the upload"},
    Rule{python, "IndentationError: *", "syntax-error", "Python cannot read the code: {0}", "correct the line shown"},
    Rule{python, "SyntaxError: *", "syntax-error", "Python cannot read the code: {0}",
         "correct the line shown; it may need a newer Python"},
};

using Captures = std::vector<std::string>;

// The text up to the next literal piece of the pattern, for each '*'.
std::optional<Captures> match(std::string_view pattern, std::string_view line) {
  auto pieces = split(pattern, '*');
  auto at = line.find(pieces[0]);
  if (at == line.npos) return {};
  at += pieces[0].size();
  Captures captures;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    auto end = pieces[i].empty() ? line.size() : line.find(pieces[i], at);
    if (end == line.npos) return {};
    captures.emplace_back(trim(line.substr(at, end - at)));
    at = end + pieces[i].size();
  }
  // A pattern that begins with '*' takes the line from its start.
  if (pattern.starts_with('*')) captures[0] = trim(line.substr(0, line.find(pieces[1])));
  return captures;
}

std::string fill(std::string_view text, std::string_view lock, const Captures& captures) {
  auto filled = replace_all(std::string(text), "{lock}", lock);
  for (std::size_t i = 0; i < captures.size(); ++i)
    filled = replace_all(filled, fmt::format("{{{}}}", i), captures[i].substr(0, 200));
  return filled;
}

// The traceback that ends in the line, or what stands around it; at most 20 lines.
std::string excerpt(const std::vector<std::string_view>& lines, std::size_t at) {
  constexpr std::size_t most = 20;
  std::size_t first = at > 7 ? at - 7 : 0;
  for (std::size_t i = at; i + 40 > at && i > 0; --i) {
    if (!lines[i - 1].starts_with("Traceback")) continue;
    first = i - 1;
    break;
  }
  std::size_t last = std::min(lines.size(), at + 6);
  if (last - first > most) first = last - most;
  std::string text;
  for (std::size_t i = first; i < last; ++i) text += fmt::format("{}\n", lines[i].substr(0, 500));
  return text;
}

// "ValueError: bad", "pkg.errors.OddException: …": the last line of a traceback.
bool is_exception_line(std::string_view line) {
  auto name = line.substr(0, line.find_first_of(": "));
  bool named =
      name.ends_with("Error") || name.ends_with("Exception") || name.ends_with("Exit") || name.ends_with("Interrupt");
  return named && name.find_first_of(" \t\"'(") == name.npos;
}

Diagnosis of_last_exception(const std::vector<std::string_view>& lines) {
  for (std::size_t i = lines.size(); i-- > 0;) {
    if (!is_exception_line(lines[i])) continue;
    return {"python-exception", fmt::format("the app raised {}", lines[i].substr(0, 300)),
            "see the traceback: the error is inside the app", excerpt(lines, i)};
  }
  return {"unknown", "", "", lines.empty() ? "" : excerpt(lines, lines.size() - 1)};
}

std::optional<Diagnosis> by_rule(const Rule& rule, std::string_view output, std::string_view lock,
                                 const std::vector<std::string_view>& lines) {
  if (!rule.also.empty() && !output.contains(rule.also)) return {};
  for (std::size_t i = lines.size(); i-- > 0;) {
    auto captures = match(rule.pattern, lines[i]);
    if (!captures) continue;
    return Diagnosis{rule.code, fill(rule.cause, lock, *captures), fill(rule.advice, lock, *captures),
                     excerpt(lines, i)};
  }
  return {};
}

}  // namespace

Diagnosis classify(Stage stage, std::string_view output, std::string_view lock) {
  if (lock.empty()) lock = "requirements.txt";
  constexpr std::size_t longest = 1 << 18;  // the end of an output tells why
  if (output.size() > longest) output.remove_prefix(output.size() - longest);
  auto lines = split_lines(output);
  for (const auto& rule : rules) {
    if (!(rule.stages & bit(stage))) continue;
    if (auto diagnosis = by_rule(rule, output, lock, lines)) return *diagnosis;
  }
  return of_last_exception(lines);
}

}  // namespace app
