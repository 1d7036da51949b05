#include "daemon/store/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>

#include "base/fd.h"
#include "daemon/store/transact.h"

namespace control_plane {
namespace {

// Version n is reached by running migrations[n - 1]; they are never edited once released, only added to.
constexpr std::array migrations = {
    R"(CREATE TABLE apps(name TEXT PRIMARY KEY, created_at INTEGER NOT NULL, last_release INTEGER NOT NULL DEFAULT 0,
                         last_env INTEGER NOT NULL DEFAULT 0);
       CREATE TABLE releases(app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE, number INTEGER NOT NULL,
                             digest TEXT NOT NULL, folder TEXT NOT NULL, build TEXT NOT NULL, config TEXT NOT NULL,
                             env_version INTEGER NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY(app, number));
       CREATE TABLE placements(app TEXT PRIMARY KEY REFERENCES apps(name) ON DELETE CASCADE, release INTEGER NOT NULL,
                               instance TEXT NOT NULL);
       CREATE TABLE instances(id TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE,
                              release INTEGER NOT NULL, state INTEGER NOT NULL, created_at INTEGER NOT NULL,
                              last_event INTEGER NOT NULL);
       -- No reference to apps: the deploy of an app that never came to be still explains why.
       CREATE TABLE deploys(id TEXT PRIMARY KEY, app TEXT NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL, step TEXT NOT NULL, upload TEXT NOT NULL,
                            release INTEGER NOT NULL, instance TEXT NOT NULL, old_instance TEXT NOT NULL,
                            switched INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER NOT NULL);
       CREATE UNIQUE INDEX one_running_deploy ON deploys(app) WHERE state = 0;
       CREATE TABLE deploy_events(deploy TEXT NOT NULL REFERENCES deploys(id) ON DELETE CASCADE, number INTEGER NOT NULL,
                                  event TEXT NOT NULL, PRIMARY KEY(deploy, number)) WITHOUT ROWID;
       CREATE TABLE env_names(app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE, version INTEGER NOT NULL,
                              name TEXT NOT NULL, PRIMARY KEY(app, version, name)) WITHOUT ROWID;
       CREATE TABLE domains(host TEXT PRIMARY KEY, app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE);
       CREATE TABLE events(id INTEGER PRIMARY KEY, app TEXT NOT NULL REFERENCES apps(name) ON DELETE CASCADE,
                           kind TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL);
       CREATE INDEX events_of_app ON events(app, id);)",
    "ALTER TABLE apps ADD COLUMN destroying INTEGER NOT NULL DEFAULT 0;",
    // Kinds of environment by name; a deploy's target is empty until it is known. Until now all was shared.
    R"(ALTER TABLE placements ADD COLUMN kind TEXT NOT NULL DEFAULT 'shared';
       ALTER TABLE instances ADD COLUMN kind TEXT NOT NULL DEFAULT 'shared';
       ALTER TABLE deploys ADD COLUMN target TEXT NOT NULL DEFAULT '';)",
    R"(CREATE TABLE splits(app TEXT PRIMARY KEY REFERENCES apps(name) ON DELETE CASCADE, instance TEXT NOT NULL,
                           kind TEXT NOT NULL, percent INTEGER NOT NULL);
       ALTER TABLE deploys ADD COLUMN percent INTEGER NOT NULL DEFAULT 0;)",
};

void set_pragmas(SQLite::Database& database) {
  database.exec("PRAGMA journal_mode=WAL");
  database.exec("PRAGMA synchronous=FULL");
  database.exec("PRAGMA foreign_keys=ON");
}

}  // namespace

Store::Store(std::unique_ptr<SQLite::Database> database) : database_(std::move(database)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file) {
  // For root's eyes: what deploys printed is in it. SQLite gives -wal and -shm the same mode.
  auto made = base::open(file.string(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!made) return base::wrap(made.error(), "open the state database");
  if (::fchmod(made->get(), 0600) < 0) return base::errno_error("set the mode of the state database");
  made->close();
  try {
    auto database =
        std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
    set_pragmas(*database);
    std::unique_ptr<Store> store(new Store(std::move(database)));
    if (auto migrated = store->migrate(); !migrated) return std::unexpected(migrated.error());
    return store;
  } catch (const SQLite::Exception& error) {
    return base::wrap(to_error(error, "SQLite"), fmt::format("open the state database {}", file.string()));
  }
}

Result<void> Store::migrate() {
  int version = database_->execAndGet("PRAGMA user_version").getInt();
  if (version > static_cast<int>(migrations.size())) {
    return std::unexpected(base::Error(
        base::Kind::unsupported,
        fmt::format("the state database has schema version {}, this Serai knows {}", version, migrations.size()),
        "start the newer Serai again, or restore a backup made by this one"));
  }
  for (auto next = static_cast<std::size_t>(version); next < migrations.size(); next++) {
    auto done = transact("migrate the state database", [&](SQLite::Database& database) {
      database.exec(migrations[next]);
      database.exec(fmt::format("PRAGMA user_version={}", next + 1));
    });
    if (!done) return done;
  }
  return {};
}

std::string_view to_string(InstanceState state) {
  constexpr std::array<std::string_view, 3> names = {"starting", "running", "draining"};
  return names[static_cast<std::size_t>(state)];
}

std::string_view to_string(DeployKind kind) {
  constexpr std::array<std::string_view, 7> names = {"deploy", "rollback", "restart", "start", "env", "move", "split"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(DeployState state) {
  constexpr std::array<std::string_view, 3> names = {"running", "succeeded", "failed"};
  return names[static_cast<std::size_t>(state)];
}

}  // namespace control_plane
