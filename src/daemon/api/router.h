// control_plane::api::Router: method and path to handler. One table; what is not in it is not served.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/exchange.h"

namespace control_plane::api {

// The parts of the path that a pattern names: "/v1/apps/{app}" gives {"app": "mysite"}, decoded.
using Parameters = std::map<std::string, std::string, std::less<>>;
// Answers by its return value (200), unless it has answered by itself.
using Handler = std::function<Result<json>(Exchange&, const Parameters&)>;

class Router {
 public:
  void add(std::string method, std::string pattern, Handler handler);
  // Finds the handler, runs it and answers; errors become their status by base::kind_facts.
  void serve(Exchange& exchange) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> parts;
    Handler handler;
  };
  static std::optional<Parameters> match(const Route& route, const std::vector<std::string>& parts);
  std::vector<Route> routes_;
};

}  // namespace control_plane::api
