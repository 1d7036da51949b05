// The store's releases, instances and deploy journal.
#include "daemon/store/transact.h"

namespace control_plane {
namespace {

constexpr int kKeptDeploys = 50;  // per app, for the autopsy

Release read_release(SQLite::Statement& row) {
  return {row.getColumn(0).getString(), row.getColumn(1).getInt(),    row.getColumn(2).getString(),
          row.getColumn(3).getString(), row.getColumn(4).getString(), row.getColumn(5).getString(),
          row.getColumn(6).getInt(),    row.getColumn(7).getInt64()};
}

Deploy read_deploy(SQLite::Statement& row) {
  return {row.getColumn(0).getString(),
          row.getColumn(1).getString(),
          static_cast<DeployKind>(row.getColumn(2).getInt()),
          static_cast<DeployState>(row.getColumn(3).getInt()),
          row.getColumn(4).getString(),
          row.getColumn(5).getString(),
          row.getColumn(6).getInt(),
          row.getColumn(7).getString(),
          row.getColumn(8).getString(),
          row.getColumn(9).getInt() != 0,
          row.getColumn(10).getInt64(),
          row.getColumn(11).getInt64(),
          environment::find_kind(row.getColumn(12).getString()),
          row.getColumn(13).getInt()};
}

std::vector<Deploy> read_deploys(SQLite::Statement row) {
  std::vector<Deploy> found;
  while (row.executeStep()) found.push_back(read_deploy(row));
  return found;
}

std::string target_of(const Deploy& deploy) { return deploy.target ? text_of(*deploy.target) : ""; }

void write_deploy(SQLite::Database& db, const Deploy& d) {
  execute(db,
          "UPDATE deploys SET state = ?, step = ?, release = ?, instance = ?, old_instance = ?, switched = ?, "
          "finished_at = ?, target = ? WHERE id = ?",
          static_cast<int>(d.state), d.step, d.release, d.instance, d.old_instance, d.switched ? 1 : 0, d.finished_at,
          target_of(d), d.id);
}

void place(SQLite::Database& db, const Deploy& d) {
  auto kind = d.target.value_or(environment::Kind::shared);
  if (d.kind == DeployKind::split) return write_split(db, {d.app, d.instance, kind, d.percent});
  execute(db, "INSERT OR REPLACE INTO placements(app, release, instance, kind) VALUES(?, ?, ?, ?)", d.app, d.release,
          d.instance, text_of(kind));
  if (d.kind != DeployKind::restart) execute(db, "DELETE FROM splits WHERE app = ?", d.app);
}

}  // namespace

Result<int> Store::next_release_number(const std::string& app) {
  return transact("number a release", [&](SQLite::Database& db) {
    execute(db, "UPDATE apps SET last_release = last_release + 1 WHERE name = ?", app);
    auto row = prepare(db, "SELECT last_release FROM apps WHERE name = ?", app);
    return row.executeStep() ? row.getColumn(0).getInt() : 0;
  });
}

Result<void> Store::add_release(const Release& r) {
  return transact("add a release", [&](SQLite::Database& db) {
    execute(db, "INSERT INTO releases VALUES(?, ?, ?, ?, ?, ?, ?, ?)", r.app, r.number, r.digest, r.folder, r.build,
            r.config, r.env_version, r.created_at);
  });
}

Result<std::optional<Release>> Store::find_release(const std::string& app, int number) {
  return transact("find a release", [&](SQLite::Database& db) -> std::optional<Release> {
    auto row = prepare(db, "SELECT * FROM releases WHERE app = ? AND number = ?", app, number);
    if (!row.executeStep()) return std::nullopt;
    return read_release(row);
  });
}

Result<std::vector<Release>> Store::releases(const std::string& app) {
  return transact("list releases", [&](SQLite::Database& db) {
    std::vector<Release> found;
    auto row = prepare(db, "SELECT * FROM releases WHERE app = ? ORDER BY number DESC", app);
    while (row.executeStep()) found.push_back(read_release(row));
    return found;
  });
}

Result<void> Store::remove_release(const std::string& app, int number) {
  return transact("remove a release", [&](SQLite::Database& db) {
    execute(db, "DELETE FROM releases WHERE app = ? AND number = ?", app, number);
  });
}

Result<std::vector<std::string>> Store::builds_in_use() {
  return transact("list builds", [&](SQLite::Database& db) {
    std::vector<std::string> found;
    SQLite::Statement row(db, "SELECT DISTINCT build FROM releases");
    while (row.executeStep()) found.push_back(row.getColumn(0).getString());
    return found;
  });
}

Result<void> Store::add_instance(const Instance& i) {
  return transact("add an instance", [&](SQLite::Database& db) {
    execute(db, "INSERT INTO instances VALUES(?, ?, ?, ?, ?, ?, ?)", i.id, i.app, i.release, static_cast<int>(i.state),
            i.created_at, static_cast<std::int64_t>(i.last_event), text_of(i.kind));
  });
}

Result<void> Store::set_instance_state(const std::string& id, InstanceState state) {
  return transact("change an instance", [&](SQLite::Database& db) {
    execute(db, "UPDATE instances SET state = ? WHERE id = ?", static_cast<int>(state), id);
  });
}

Result<void> Store::set_last_event(const std::string& id, long number) {
  return transact("note an instance's event", [&](SQLite::Database& db) {
    execute(db, "UPDATE instances SET last_event = ? WHERE id = ?", static_cast<std::int64_t>(number), id);
  });
}

Result<void> Store::remove_instance(const std::string& id) {
  return transact("remove an instance",
                  [&](SQLite::Database& db) { execute(db, "DELETE FROM instances WHERE id = ?", id); });
}

Result<std::vector<Instance>> Store::instances() {
  return transact("list instances", [&](SQLite::Database& db) {
    std::vector<Instance> found;
    SQLite::Statement row(
        db, "SELECT id, app, release, state, created_at, last_event, kind FROM instances ORDER BY created_at, id");
    while (row.executeStep()) {
      found.push_back({row.getColumn(0).getString(), row.getColumn(1).getString(), row.getColumn(2).getInt(),
                       static_cast<InstanceState>(row.getColumn(3).getInt()), row.getColumn(4).getInt64(),
                       static_cast<long>(row.getColumn(5).getInt64()), kind_in(row.getColumn(6))});
    }
    return found;
  });
}

Result<void> Store::add_deploy(const Deploy& d) {
  auto added = transact("begin a deploy", [&](SQLite::Database& db) {
    execute(db,
            "DELETE FROM deploys WHERE app = ?1 AND state != 0 AND id NOT IN "
            "(SELECT id FROM deploys WHERE app = ?1 ORDER BY started_at DESC, rowid DESC LIMIT ?2)",
            d.app, kKeptDeploys);
    execute(db, "INSERT INTO deploys VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", d.id, d.app,
            static_cast<int>(d.kind), static_cast<int>(d.state), d.step, d.upload, d.release, d.instance,
            d.old_instance, d.switched ? 1 : 0, d.started_at, d.finished_at, target_of(d), d.percent);
  });
  if (added || added.error().kind() != base::Kind::conflict) return added;
  return std::unexpected(base::Error(base::Kind::conflict,
                                     fmt::format("{} is being deployed or restarted already", d.app),
                                     "wait for it to end, then try again"));
}

Result<void> Store::update_deploy(const Deploy& deploy) {
  return transact("journal a deploy", [&](SQLite::Database& db) { write_deploy(db, deploy); });
}

Result<void> Store::commit_switch(const Deploy& d) {
  return transact("commit a switch", [&](SQLite::Database& db) {
    place(db, d);
    auto state = "UPDATE instances SET state = ? WHERE id = ?";
    execute(db, state, static_cast<int>(InstanceState::running), d.instance);
    execute(db, state, static_cast<int>(InstanceState::draining), d.old_instance);
    write_deploy(db, d);
  });
}

Result<std::optional<Deploy>> Store::find_deploy(const std::string& id) {
  return transact("find a deploy", [&](SQLite::Database& db) -> std::optional<Deploy> {
    auto row = prepare(db, "SELECT * FROM deploys WHERE id = ?", id);
    if (!row.executeStep()) return std::nullopt;
    return read_deploy(row);
  });
}

Result<std::vector<Deploy>> Store::running_deploys() {
  return transact("list running deploys", [&](SQLite::Database& db) {
    return read_deploys(prepare(db, "SELECT * FROM deploys WHERE state = 0 ORDER BY started_at"));
  });
}

Result<std::vector<Deploy>> Store::deploys(const std::string& app, int most) {
  return transact("list deploys", [&](SQLite::Database& db) {
    return read_deploys(
        prepare(db, "SELECT * FROM deploys WHERE app = ? ORDER BY started_at DESC, rowid DESC LIMIT ?", app, most));
  });
}

Result<void> Store::add_deploy_event(const std::string& deploy, const std::string& event) {
  return transact("record a deploy's event", [&](SQLite::Database& db) {
    execute(
        db,
        "INSERT INTO deploy_events SELECT ?1, 1 + coalesce(max(number), 0), ?2 FROM deploy_events WHERE deploy = ?1",
        deploy, event);
  });
}

Result<std::vector<std::string>> Store::deploy_events(const std::string& deploy, std::size_t from) {
  return transact("read a deploy's events", [&](SQLite::Database& db) {
    std::vector<std::string> found;
    auto row = prepare(db, "SELECT event FROM deploy_events WHERE deploy = ? AND number > ? ORDER BY number", deploy,
                       static_cast<std::int64_t>(from));
    while (row.executeStep()) found.push_back(row.getColumn(0).getString());
    return found;
  });
}

}  // namespace control_plane
