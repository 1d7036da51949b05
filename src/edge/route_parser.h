// The `routes` message: the whole table, from the daemon to the edge. Parsed completely before anything changes.
//
//   {"type": "routes",
//    "generation": 12,                        a number that grows; told back in `routes_applied`, `counters`
//    "apps": [{
//      "app": "shop",                         unique
//      "instance": "i-7f3a",                  free text for logs; a change of it drains the old pool
//      "hosts": ["shop.localhost",            exact, or with a leading wildcard label, or "*" (any host); no port
//                "*.shop.example"],
//      "paths": ["/"],                        prefixes by whole segments, longest first; default ["/"]
//      "state": "up",                         up | hold (requests wait) | stopped (503)
//      "upstream": {"unix": "/…/app.sock"},   or {"tcp": "127.0.0.1:9000"} (literal address); needed when up
//      "pooling": "shared",                   shared: our engine. per_client: one client per connection
//      "split": {"percent": 10,               optional, when up: so many of a hundred requests go to a second place,
//                "instance": "i-81c2",        1 to 99; the others as before. Members as above
//                "upstream": {"unix": "/…"},
//                "pooling": "shared"},
//      "static": [{"prefix": "/static",       served by the edge when the file is there, else passed on to the app;
//                  "folder": "/…/staticfiles",    entries of the same prefix are tried in order
//                  "immutable": false}],      true: names hold a hash, caches may keep files for a year
//      "limits": {"max_body": 33554432,       bytes: 413
//                 "request_timeout": 60,      seconds until the app's answer begins: 504; 0: none
//                 "tunnel_idle": 3600,        seconds without a byte on a WebSocket, either way: closed
//                 "max_in_flight": 0},        requests at a time: 503 beyond; 0: what the edge has for one app
//      "hold": {"max_requests": 512,          waiting at once; beyond: 503
//               "max_bytes": 16777216,        of waiting heads; beyond: 503
//               "timeout": 30}                seconds: 503 with Retry-After (502 when the app refuses connections)
//    }]}
//
// A host is matched exactly first, then by the longest wildcard, then "*"; among the entries of one host the longest
// path prefix wins; where none fits, the next less exact host is tried. Two apps cannot claim the same host and prefix.
// Unknown keys are errors. Every message names the place: `apps[0].upstream.tcp: …`.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "edge/route_table.h"

namespace edge {

struct ParsedRoutes {
  std::uint64_t generation = 0;
  std::vector<App> apps;
};
base::Result<ParsedRoutes> parse_routes(const nlohmann::json& message, std::uint64_t default_max_body);

}  // namespace edge
