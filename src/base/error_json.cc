#include "base/error_json.h"

#include <nlohmann/json.hpp>

namespace base {

using nlohmann::json;

json to_json(const Error& error) {
  return {{"kind", kind_facts(error.kind()).name},
          {"message", error.message()},
          {"advice", error.advice()},
          {"contexts", error.contexts()}};
}

Error error_from_json(const json& value) {
  Error error(kind_named(value.value("kind", "")), value.value("message", ""), value.value("advice", ""));
  for (const auto& context : value.value("contexts", json::array())) error.add_context(context);
  return error;
}

}  // namespace base
