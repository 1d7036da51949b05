// What a folder's upload consists of.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "app/ignore.h"
#include "app/pack.h"
#include "app/text.h"
#include "app/value.h"
#include "base/fd.h"
#include "base/file.h"

namespace app {
namespace {

namespace fs = std::filesystem;

template <std::size_t Count>
bool is_one_of(std::string_view name, const std::array<std::string_view, Count>& names) {
  return std::ranges::find(names, name) != names.end();
}
template <std::size_t Count>
bool ends_with_one_of(std::string_view name, const std::array<std::string_view, Count>& endings) {
  return std::ranges::any_of(endings,
                             [&](auto ending) { return name.size() > ending.size() && name.ends_with(ending); });
}

// Never taken, whatever the ignore files say. Empty: not one of these.
std::string_view unwanted_folder(const fs::path& path, std::string_view name) {
  constexpr std::array<std::string_view, 4> repositories = {".git", ".hg", ".svn", ".bzr"};
  constexpr std::array<std::string_view, 10> caches = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache",
                                                       ".hypothesis", ".tox",          ".nox",        "node_modules",
                                                       ".cache",      ".eggs"};
  if (is_one_of(name, repositories)) return "version control";
  if (is_one_of(name, caches)) return "cache";
  std::error_code none;
  if (fs::exists(path / "pyvenv.cfg", none)) return "virtual environment";
  return {};
}

std::string_view unwanted_file(std::string_view name) {
  constexpr std::array<std::string_view, 4> leftovers = {".DS_Store", "Thumbs.db", "desktop.ini", ".coverage"};
  constexpr std::array<std::string_view, 4> endings = {".pyc", ".pyo", ".swp", "~"};
  if (is_one_of(name, leftovers) || ends_with_one_of(name, endings)) return "left over by a tool";
  if (name == ".git") return "version control";  // of a submodule or work tree
  return {};
}

bool holds_private_key(const fs::path& path) {
  auto fd = base::open(path.string(), O_RDONLY | O_NONBLOCK);
  if (!fd) return false;
  std::array<char, 4096> start;
  auto count = base::read_some(fd->get(), start);
  return count && *count && std::string_view(start.data(), **count).contains("PRIVATE KEY-----");
}

// Why a file should perhaps stay at home; empty for ordinary ones.
std::string_view questionable_reason(const fs::path& path, std::string_view name) {
  constexpr std::array<std::string_view, 5> examples = {".example", ".sample", ".template", ".dist", ".test"};
  constexpr std::array<std::string_view, 12> databases = {
      ".sqlite3",     ".sqlite",     ".db",     ".sqlite3-wal",     ".sqlite-wal",     ".db-wal",
      ".sqlite3-shm", ".sqlite-shm", ".db-shm", ".sqlite3-journal", ".sqlite-journal", ".db-journal"};
  constexpr std::array<std::string_view, 4> key_files = {".pem", ".key", ".ppk", ".asc"};
  constexpr std::array<std::string_view, 2> key_stores = {".p12", ".pfx"};
  constexpr std::array<std::string_view, 4> ssh_keys = {"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"};
  constexpr std::array<std::string_view, 3> secrets = {".netrc", ".pypirc", ".pgpass"};
  if ((name == ".env" || name.starts_with(".env.")) && !ends_with_one_of(name, examples)) return "holds secrets";
  if (is_one_of(name, secrets)) return "holds secrets";
  if (ends_with_one_of(name, databases)) return "local database";
  if (is_one_of(name, ssh_keys) || ends_with_one_of(name, key_stores)) return "private key";
  if (ends_with_one_of(name, key_files) && holds_private_key(path)) return "private key";
  return {};
}

// Links inside the folder may travel; the target is judged by its text, since the archive holds nothing else.
bool stays_inside(const std::string& link, const std::string& target) {
  std::string inside;
  return normalize_inside((fs::path(link).parent_path() / target).string(), inside) && !target.starts_with('/');
}

class Planner {
 public:
  Planner(fs::path folder, const PackLimits& limits) : top_(std::move(folder)), limits_(limits) {}

  base::Result<PackPlan> plan() {
    if (auto done = visit(""); !done) return std::unexpected(done.error());
    std::ranges::sort(plan_.entries, {}, &PackEntry::path);
    std::ranges::sort(plan_.questionable, {}, &Questionable::path);
    std::ranges::sort(plan_.left_out, {}, &LeftOut::path);
    if (plan_.entries.size() > limits_.files || plan_.bytes > limits_.bytes) return too_large();
    return std::move(plan_);
  }

 private:
  base::Result<void> visit(const std::string& folder) {
    auto ignore_files = ignores_.size();
    read_ignore_file(folder, ".gitignore");
    read_ignore_file(folder, ".seraiignore");
    std::error_code error;
    fs::directory_iterator entries(top_ / folder, error);
    if (error)
      return std::unexpected(
          base::Error::from_errno(fmt::format("read the folder {}", (top_ / folder).string()), error.value()));
    for (const auto& entry : entries) {
      auto name = entry.path().filename().string();
      auto path = folder.empty() ? name : folder + "/" + name;
      if (auto done = consider(entry, name, path); !done) return done;
      if (plan_.entries.size() > 4 * limits_.files) return {};  // far beyond: enough to say so
    }
    ignores_.resize(ignore_files, IgnoreFile::parse("", "", ""));
    return {};
  }

  base::Result<void> consider(const fs::directory_entry& entry, const std::string& name, const std::string& path) {
    std::error_code none;
    auto status = entry.symlink_status(none);
    bool is_folder = fs::is_directory(status);
    auto shown = is_folder ? path + "/" : path;
    auto unwanted = is_folder ? unwanted_folder(entry.path(), name) : unwanted_file(name);
    if (!unwanted.empty()) return leave_out(shown, std::string(unwanted));
    if (auto reason = ignored_by(path, is_folder); !reason.empty()) return leave_out(shown, reason);
    if (is_folder) {
      plan_.entries.push_back({path, PackEntry::Kind::folder});
      return visit(path);
    }
    if (fs::is_symlink(status)) return add_link(entry, path);
    if (!fs::is_regular_file(status)) return leave_out(path, "neither file, folder nor link");
    return add_file(entry, name, path, (status.permissions() & fs::perms::owner_exec) != fs::perms::none);
  }

  base::Result<void> add_file(const fs::directory_entry& entry, const std::string& name, const std::string& path,
                              bool executable) {
    std::error_code none;
    auto size = entry.file_size(none);
    if (auto reason = questionable_reason(entry.path(), name); !reason.empty()) {
      plan_.questionable.push_back({path, std::string(reason), size, executable});
      return {};
    }
    plan_.entries.push_back({path, PackEntry::Kind::file, executable, size, {}});
    plan_.bytes += size;
    by_top_folder_[path.substr(0, path.find('/'))] += size;
    return {};
  }

  base::Result<void> add_link(const fs::directory_entry& entry, const std::string& path) {
    std::error_code error;
    auto target = fs::read_symlink(entry.path(), error).string();
    if (error || !stays_inside(path, target))
      return leave_out(path, fmt::format("link leaves the folder ({})", target));
    plan_.entries.push_back({path, PackEntry::Kind::link, false, 0, target});
    return {};
  }

  base::Result<void> leave_out(const std::string& path, std::string reason) {
    plan_.left_out.push_back({path, std::move(reason)});
    return {};
  }

  void read_ignore_file(const std::string& folder, const std::string& name) {
    auto text = base::read_file(top_ / folder / name, 1 << 20);
    if (text) ignores_.push_back(IgnoreFile::parse(*text, folder, folder.empty() ? name : folder + "/" + name));
  }

  // The deepest file that has a matching pattern decides.
  std::string ignored_by(const std::string& path, bool is_folder) const {
    for (auto file = ignores_.rbegin(); file != ignores_.rend(); ++file) {
      if (auto verdict = file->judge(path, is_folder)) return verdict->ignored ? verdict->reason : "";
    }
    return {};
  }

  std::unexpected<base::Error> too_large() const {
    std::vector<std::pair<std::uint64_t, std::string>> largest;
    for (const auto& [name, size] : by_top_folder_) largest.emplace_back(size, name);
    std::ranges::sort(largest, std::greater());
    std::string names;
    for (std::size_t i = 0; i < std::min<std::size_t>(3, largest.size()); ++i) {
      names += fmt::format("{}{} ({} MB)", names.empty() ? "" : ", ", largest[i].second, largest[i].first / 1'000'000);
    }
    return std::unexpected(base::Error(
        base::Kind::overloaded,
        fmt::format("{} holds {} files and {} MB; the limits are {} files and {} MB. The largest: {}", top_.string(),
                    plan_.entries.size(), plan_.bytes / 1'000'000, limits_.files, limits_.bytes / 1'000'000, names),
        "name in .seraiignore what the app does not need"));
  }

  fs::path top_;
  PackLimits limits_;
  PackPlan plan_;
  std::vector<IgnoreFile> ignores_;  // of the folders from the top to the one being visited
  std::map<std::string, std::uint64_t> by_top_folder_;
};

}  // namespace

void PackPlan::take(const std::string& path) {
  auto found = std::ranges::find(questionable, path, &Questionable::path);
  if (found == questionable.end()) return;
  PackEntry entry{found->path, PackEntry::Kind::file, found->executable, found->size, {}};
  entries.insert(std::ranges::lower_bound(entries, entry.path, {}, &PackEntry::path), entry);
  bytes += found->size;
  questionable.erase(found);
}

base::Result<PackPlan> plan_pack(const std::string& folder, const PackLimits& limits) {
  std::error_code error;
  auto top = fs::canonical(folder, error);
  if (error || !fs::is_directory(top)) return base::not_found("{} is not a folder", folder);
  return Planner(top, limits).plan();
}

}  // namespace app
