// Diagnostics: one call gives text for people or JSON for machines. The access log is apart (http/access_log.h).
//
//   base::log(base::Level::info, "deploy.started", {{"app", app}, {"release", 7}}, "deploying r7");
//
// An event has a dotted name, fields (request, app and instance ids whenever known) and a sentence. An error is logged
// once, where it is handled. Thread-safe. Writes to standard error.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace base {

enum class Level { debug, info, warning, error };
enum class LogFormat { text, json };

using FieldValue = std::variant<std::string_view, long long, double, bool>;
struct Field {
  std::string_view name;
  FieldValue value;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  template <std::integral Number>
  Field(std::string_view n, Number v) : name(n), value(static_cast<long long>(v)) {}
};

void set_log_format(LogFormat format);
void set_log_level(Level least);
void log(Level level, std::string_view event, std::initializer_list<Field> fields, std::string_view sentence);

}  // namespace base
