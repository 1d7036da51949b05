// The store's apps, placements, domains, env sets and events.
#include "daemon/store/transact.h"

namespace control_plane {

Result<void> Store::add_app(const App& app) {
  return transact("add an app", [&](SQLite::Database& db) {
    execute(db, "INSERT INTO apps(name, created_at) VALUES(?, ?)", app.name, app.created_at);
  });
}

Result<std::vector<App>> Store::apps() {
  return transact("list apps", [&](SQLite::Database& db) {
    std::vector<App> found;
    SQLite::Statement row(db, "SELECT name, created_at, destroying FROM apps ORDER BY name");
    while (row.executeStep()) {
      found.push_back({row.getColumn(0).getString(), row.getColumn(1).getInt64(), row.getColumn(2).getInt() != 0});
    }
    return found;
  });
}

Result<std::optional<App>> Store::find_app(const std::string& name) {
  return transact("find an app", [&](SQLite::Database& db) -> std::optional<App> {
    auto row = prepare(db, "SELECT created_at, destroying FROM apps WHERE name = ?", name);
    if (!row.executeStep()) return std::nullopt;
    return App{name, row.getColumn(0).getInt64(), row.getColumn(1).getInt() != 0};
  });
}

Result<void> Store::begin_destroying(const std::string& name) {
  return transact("journal that an app is removed",
                  [&](SQLite::Database& db) { execute(db, "UPDATE apps SET destroying = 1 WHERE name = ?", name); });
}

Result<void> Store::remove_app(const std::string& name) {
  return transact("remove an app", [&](SQLite::Database& db) { execute(db, "DELETE FROM apps WHERE name = ?", name); });
}

Result<std::vector<Placement>> Store::placements() {
  return transact("list placements", [&](SQLite::Database& db) {
    std::vector<Placement> found;
    SQLite::Statement row(db, "SELECT app, release, instance, kind FROM placements ORDER BY app");
    while (row.executeStep()) {
      found.push_back({row.getColumn(0).getString(), row.getColumn(1).getInt(), row.getColumn(2).getString(),
                       kind_in(row.getColumn(3))});
    }
    return found;
  });
}

Result<std::optional<Placement>> Store::find_placement(const std::string& app) {
  return transact("find a placement", [&](SQLite::Database& db) -> std::optional<Placement> {
    auto row = prepare(db, "SELECT release, instance, kind FROM placements WHERE app = ?", app);
    if (!row.executeStep()) return std::nullopt;
    return Placement{app, row.getColumn(0).getInt(), row.getColumn(1).getString(), kind_in(row.getColumn(2))};
  });
}

Result<void> Store::set_placement(const Placement& placement) {
  return transact("set a placement", [&](SQLite::Database& db) {
    execute(db, "INSERT OR REPLACE INTO placements(app, release, instance, kind) VALUES(?, ?, ?, ?)", placement.app,
            placement.release, placement.instance, text_of(placement.kind));
  });
}

Result<std::vector<Split>> Store::splits() {
  return transact("list splits", [&](SQLite::Database& db) {
    std::vector<Split> found;
    SQLite::Statement row(db, "SELECT app, instance, kind, percent FROM splits ORDER BY app");
    while (row.executeStep()) {
      found.push_back({row.getColumn(0).getString(), row.getColumn(1).getString(), kind_in(row.getColumn(2)),
                       row.getColumn(3).getInt()});
    }
    return found;
  });
}

Result<std::optional<Split>> Store::find_split(const std::string& app) {
  return transact("find a split", [&](SQLite::Database& db) -> std::optional<Split> {
    auto row = prepare(db, "SELECT instance, kind, percent FROM splits WHERE app = ?", app);
    if (!row.executeStep()) return std::nullopt;
    return Split{app, row.getColumn(0).getString(), kind_in(row.getColumn(1)), row.getColumn(2).getInt()};
  });
}

Result<void> Store::set_split(const Split& split) {
  return transact("set a split", [&](SQLite::Database& db) { write_split(db, split); });
}

Result<void> Store::remove_split(const std::string& app) {
  return transact("end a split", [&](SQLite::Database& db) { execute(db, "DELETE FROM splits WHERE app = ?", app); });
}

Result<int> Store::add_env_set(const std::string& app, const std::vector<std::string>& names) {
  return transact("add an env set", [&](SQLite::Database& db) {
    execute(db, "UPDATE apps SET last_env = last_env + 1 WHERE name = ?", app);
    auto row = prepare(db, "SELECT last_env FROM apps WHERE name = ?", app);
    row.executeStep();
    int version = row.getColumn(0).getInt();
    for (const auto& name : names) execute(db, "INSERT INTO env_names VALUES(?, ?, ?)", app, version, name);
    return version;
  });
}

Result<std::vector<std::string>> Store::env_names(const std::string& app, int version) {
  return transact("list env names", [&](SQLite::Database& db) {
    std::vector<std::string> found;
    auto row = prepare(db, "SELECT name FROM env_names WHERE app = ? AND version = ? ORDER BY name", app, version);
    while (row.executeStep()) found.push_back(row.getColumn(0).getString());
    return found;
  });
}

Result<void> Store::add_domain(const std::string& app, const std::string& host) {
  auto owner = transact("add a domain", [&](SQLite::Database& db) -> std::string {
    execute(db, "INSERT OR IGNORE INTO domains(host, app) VALUES(?, ?)", host, app);
    auto row = prepare(db, "SELECT app FROM domains WHERE host = ?", host);
    return row.executeStep() ? row.getColumn(0).getString() : "";
  });
  if (!owner) return std::unexpected(owner.error());
  if (*owner != app) return base::fail(base::Kind::conflict, "add the domain {}: another app serves it", host);
  return {};
}

Result<void> Store::remove_domain(const std::string& app, const std::string& host) {
  auto removed = transact("remove a domain", [&](SQLite::Database& db) {
    return execute(db, "DELETE FROM domains WHERE host = ? AND app = ?", host, app);
  });
  if (!removed) return std::unexpected(removed.error());
  if (*removed == 0) return base::not_found("remove the domain {}: {} does not have it", host, app);
  return {};
}

Result<std::vector<std::string>> Store::domains(const std::string& app) {
  return transact("list domains", [&](SQLite::Database& db) {
    std::vector<std::string> found;
    auto row = prepare(db, "SELECT host FROM domains WHERE app = ? ORDER BY host", app);
    while (row.executeStep()) found.push_back(row.getColumn(0).getString());
    return found;
  });
}

Result<void> Store::add_event(const AppEvent& event) {
  return transact("add an event", [&](SQLite::Database& db) {
    execute(db, "INSERT INTO events(app, kind, text, at) VALUES(?, ?, ?, ?)", event.app, event.kind, event.text,
            event.at);
    execute(db, "DELETE FROM events WHERE app = ?1 AND id <= (SELECT max(id) FROM events WHERE app = ?1) - 5000",
            event.app);
  });
}

Result<std::vector<AppEvent>> Store::events(const std::string& app, int most) {
  return transact("list events", [&](SQLite::Database& db) {
    std::vector<AppEvent> found;
    auto row = prepare(db, "SELECT kind, text, at FROM events WHERE app = ? ORDER BY id DESC LIMIT ?", app, most);
    while (row.executeStep()) {
      found.push_back({app, row.getColumn(0).getString(), row.getColumn(1).getString(), row.getColumn(2).getInt64()});
    }
    return found;
  });
}

}  // namespace control_plane
