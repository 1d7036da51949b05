#include "instance/report.h"

#include <nlohmann/json.hpp>

namespace instance {

using nlohmann::json;

void Report::step(const std::string& name) { tell({{"step", name}}); }

void Report::error(const base::Error& error) { tell({{"error", to_json(error)}}); }

void Report::tell(const json& line) {
  // A caller that is gone needs no report.
  if (fd_.is_open()) (void)base::write_all(fd_.get(), line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

json to_json(const base::Error& error) {
  return {{"kind", base::kind_facts(error.kind()).name}, {"message", error.describe()}, {"advice", error.advice()}};
}

base::Error error_from_json(const json& error) {
  base::Kind kind = base::Kind::internal;
  for (auto candidate :
       {base::Kind::invalid, base::Kind::not_found, base::Kind::conflict, base::Kind::denied, base::Kind::unavailable,
        base::Kind::overloaded, base::Kind::disconnected, base::Kind::unsupported, base::Kind::internal}) {
    if (base::kind_facts(candidate).name == error.value("kind", "")) kind = candidate;
  }
  return {kind, error.value("message", "unknown error"), error.value("advice", "")};
}

}  // namespace instance
