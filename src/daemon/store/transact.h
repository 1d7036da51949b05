// The body of Store::transact, for the store's own sources only.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include "daemon/store/store.h"

namespace control_plane {

inline base::Error to_error(const SQLite::Exception& error, const char* what) {
  auto kind = error.getErrorCode() == SQLITE_CONSTRAINT ? base::Kind::conflict
              : error.getErrorCode() == SQLITE_FULL     ? base::Kind::overloaded
                                                        : base::Kind::internal;
  return base::Error(kind, fmt::format("{}: {}", what, error.what()));
}

template <typename Work>
auto Store::transact(const char* what, Work work) -> Result<decltype(work(std::declval<SQLite::Database&>()))> {
  std::lock_guard lock(mutex_);
  try {
    SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
    if constexpr (std::is_void_v<decltype(work(*database_))>) {
      work(*database_);
      transaction.commit();
      return {};
    } else {
      auto result = work(*database_);
      transaction.commit();
      return result;
    }
  } catch (const SQLite::Exception& error) {
    return std::unexpected(to_error(error, what));
  }
}

// A kind of environment as a column. What this version does not know was not written by it: see Store::migrate.
inline environment::Kind kind_in(const SQLite::Column& column) {
  return environment::find_kind(column.getString()).value_or(environment::Kind::shared);
}
inline std::string text_of(environment::Kind kind) { return std::string(environment::to_string(kind)); }

// A prepared statement with its values bound in order.
template <typename... Values>
SQLite::Statement prepare(SQLite::Database& database, const char* sql, const Values&... values) {
  SQLite::Statement statement(database, sql);
  int index = 0;
  (statement.bind(++index, values), ...);
  return statement;
}

template <typename... Values>
int execute(SQLite::Database& database, const char* sql, const Values&... values) {
  return prepare(database, sql, values...).exec();
}

inline void write_split(SQLite::Database& database, const Split& split) {
  execute(database, "INSERT OR REPLACE INTO splits(app, instance, kind, percent) VALUES(?, ?, ?, ?)", split.app,
          split.instance, text_of(split.kind), split.percent);
}

}  // namespace control_plane
