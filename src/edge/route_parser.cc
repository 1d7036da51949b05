#include "edge/route_parser.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace edge {
namespace {

using nlohmann::json;

// One object of the message: takes its members by name and type, remembers where it is for messages, and at the end
// refuses what nobody took. The first mistake is kept; the rest goes on with defaults and is thrown away.
class Reader {
 public:
  Reader(const json& value, std::string place, std::optional<base::Error>& mistake)
      : value_(value), place_(std::move(place)), mistake_(mistake) {
    if (!value_.is_object()) fail("", "expected an object");
  }

  const json* find(const char* key) {
    taken_.insert(key);
    if (!value_.is_object()) return nullptr;
    auto found = value_.find(key);
    return found == value_.end() ? nullptr : &*found;
  }
  const json* need(const char* key) {
    auto* found = find(key);
    if (!found) fail(key, "is missing");
    return found;
  }
  std::string text(const char* key, const json* value) {
    if (value && value->is_string() && value->get_ref<const std::string&>().find('\0') == std::string::npos) {
      return value->get<std::string>();
    }
    if (value) fail(key, "expected a text");
    return {};
  }
  std::string text(const char* key) { return text(key, find(key)); }
  std::string needed_text(const char* key) {
    auto text_found = text(key, need(key));
    if (text_found.empty()) fail(key, "must not be empty");
    return text_found;
  }
  std::uint64_t number(const char* key, std::uint64_t otherwise) {
    auto* value = find(key);
    if (!value) return otherwise;
    if (value->is_number_integer() && *value >= 0) return value->get<std::uint64_t>();
    fail(key, "expected a whole number of 0 or more");
    return otherwise;
  }
  std::chrono::seconds duration(const char* key, std::chrono::seconds otherwise) {
    auto count = number(key, static_cast<std::uint64_t>(otherwise.count()));
    if (count > 86400) fail(key, "expected at most 86400 seconds");
    return std::chrono::seconds(std::min<std::uint64_t>(count, 86400));
  }
  bool flag(const char* key, bool otherwise) {
    auto* value = find(key);
    if (value && !value->is_boolean()) fail(key, "expected true or false");
    return value && value->is_boolean() ? value->get<bool>() : otherwise;
  }
  // Calls `visit(element, place)` for each element of a list; none when it is missing.
  template <typename Visit>
  void each(const char* key, Visit&& visit) {
    auto* list = find(key);
    if (!list) return;
    if (!list->is_array()) return fail(key, "expected a list");
    for (std::size_t i = 0; i < list->size(); i++) visit((*list)[i], fmt::format("{}[{}]", at(key), i));
  }
  void refuse_others() {
    if (!value_.is_object()) return;
    for (const auto& [key, value] : value_.items())
      if (!taken_.contains(key)) return fail(key, "is no known key");
  }
  void fail(std::string_view key, std::string_view what) { fail_at(at(key), what); }
  void fail_at(std::string_view place, std::string_view what) {
    if (!mistake_) mistake_ = base::Error(base::Kind::invalid, fmt::format("{}: {}", place, what));
  }
  std::string at(std::string_view key) const {
    if (key.empty()) return place_.empty() ? "routes" : place_;
    return place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key);
  }
  std::optional<base::Error>& mistake() { return mistake_; }

 private:
  const json& value_;
  std::string place_;
  std::optional<base::Error>& mistake_;
  std::set<std::string, std::less<>> taken_;
};

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':' || c == '[' ||
         c == ']';
}

// Lower case, no port; a leading "*." or a lone "*" are patterns.
std::optional<std::string> parse_host(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (text == "*") return text;
  std::string_view name = text;
  if (name.starts_with("*.")) name.remove_prefix(2);
  bool literal = name.starts_with('[') && name.ends_with(']');
  if (name.empty() || name.size() > 253 || !std::ranges::all_of(name, is_host_char)) return std::nullopt;
  if (!literal && name.find_first_of(":[]") != name.npos) return std::nullopt;
  if (name.starts_with('.') || name.ends_with('.') || name.find("..") != name.npos) return std::nullopt;
  return text;
}

// Without a trailing slash; "/" becomes "".
std::optional<std::string> parse_prefix(std::string text) {
  if (!text.starts_with('/') || text.find_first_of("?# \t\r\n") != text.npos) return std::nullopt;
  if (text.find("//") != text.npos || (text + "/").find("/../") != text.npos || (text + "/").find("/./") != text.npos) {
    return std::nullopt;
  }
  if (text.ends_with('/')) text.pop_back();
  return text;
}

std::optional<net::Endpoint> parse_endpoint(Reader& app) {
  auto* value = app.find("upstream");
  if (!value || value->is_null()) return std::nullopt;
  Reader upstream(*value, app.at("upstream"), app.mistake());
  auto path = upstream.text("unix"), tcp = upstream.text("tcp");
  upstream.refuse_others();
  if (path.empty() == tcp.empty()) {
    upstream.fail("", "expected either \"unix\" or \"tcp\"");
    return std::nullopt;
  }
  const char* key = path.empty() ? "tcp" : "unix";
  auto address = path.empty() ? net::parse_address(tcp) : base::Result<net::Address>(net::UnixAddress{path});
  auto endpoint = address ? net::Endpoint::of(*address) : std::unexpected(address.error());
  if (!endpoint) {
    upstream.fail(key, endpoint.error().describe());
    return std::nullopt;
  }
  return std::move(*endpoint);
}

std::vector<StaticMount> parse_statics(Reader& app) {
  std::vector<StaticMount> folders;
  app.each("static", [&](const json& value, std::string place) {
    Reader entry(value, std::move(place), app.mistake());
    auto prefix = parse_prefix(entry.needed_text("prefix"));
    if (!prefix) entry.fail("prefix", "expected a path such as /static");
    StaticMount folder{prefix.value_or(""), entry.needed_text("folder"), entry.flag("immutable", false), {}};
    if (!folder.folder.is_absolute()) entry.fail("folder", "expected an absolute path");
    entry.refuse_others();
    folders.push_back(std::move(folder));
  });
  std::ranges::stable_sort(folders, std::greater{}, [](const StaticMount& folder) { return folder.prefix.size(); });
  return folders;
}

void parse_limits(Reader& from, App& app) {
  auto* value = from.find("limits");
  if (!value) return;
  Reader limits(*value, from.at("limits"), from.mistake());
  app.max_body = limits.number("max_body", app.max_body);
  app.request_timeout = limits.duration("request_timeout", app.request_timeout);
  app.tunnel_idle = limits.duration("tunnel_idle", app.tunnel_idle);
  app.max_in_flight = limits.number("max_in_flight", app.max_in_flight);
  limits.refuse_others();
}

void parse_hold(Reader& from, App& app) {
  auto* value = from.find("hold");
  if (!value) return;
  Reader hold(*value, from.at("hold"), from.mistake());
  app.hold.max_requests = hold.number("max_requests", app.hold.max_requests);
  app.hold.max_bytes = hold.number("max_bytes", app.hold.max_bytes);
  app.hold.timeout = hold.duration("timeout", app.hold.timeout);
  hold.refuse_others();
}

void parse_places(Reader& from, App& app) {
  from.each("hosts", [&](const json& value, const std::string& place) {
    auto host = value.is_string() ? parse_host(value.get<std::string>()) : std::nullopt;
    if (host)
      app.hosts.push_back(std::move(*host));
    else
      from.fail_at(place, "expected a host name without a port, \"*.name\" or \"*\"");
  });
  from.each("paths", [&](const json& value, const std::string& place) {
    auto path = value.is_string() ? parse_prefix(value.get<std::string>()) : std::nullopt;
    if (path)
      app.paths.push_back(std::move(*path));
    else
      from.fail_at(place, "expected a path such as /blog");
  });
  if (app.paths.empty()) app.paths.emplace_back();
}

AppState parse_state(Reader& from) {
  auto state = from.needed_text("state");
  if (state == "up") return AppState::up;
  if (state == "hold") return AppState::hold;
  if (state != "stopped") from.fail("state", "expected up, hold or stopped");
  return AppState::stopped;
}

Pooling parse_pooling(Reader& from) {
  auto pooling = from.text("pooling");
  if (pooling == "per_client") return Pooling::per_client;
  if (!pooling.empty() && pooling != "shared") from.fail("pooling", "expected shared or per_client");
  return Pooling::shared;
}

std::optional<Upstream> parse_upstream(Reader& from) {
  auto instance = from.text("instance");
  auto endpoint = parse_endpoint(from);
  auto pooling = parse_pooling(from);
  if (!endpoint) return std::nullopt;
  return Upstream{std::move(instance), std::move(*endpoint), pooling};
}

std::optional<Split> parse_split(Reader& app) {
  auto* value = app.find("split");
  if (!value || value->is_null()) return std::nullopt;
  Reader from(*value, app.at("split"), app.mistake());
  auto percent = from.number("percent", 0);
  auto upstream = parse_upstream(from);
  if (percent < 1 || percent > 99) from.fail("percent", "expected a number from 1 to 99");
  if (!upstream) from.fail("upstream", "is missing");
  from.refuse_others();
  if (!upstream) return std::nullopt;
  return Split{std::move(*upstream), static_cast<unsigned>(percent)};
}

App parse_app(const json& value, std::string place, std::uint64_t default_max_body,
              std::optional<base::Error>& mistake) {
  Reader from(value, std::move(place), mistake);
  App app;
  app.max_body = default_max_body;
  app.name = from.needed_text("app");
  parse_places(from, app);
  app.state = parse_state(from);
  app.upstream = parse_upstream(from);
  if (app.state == AppState::up && !app.upstream) from.fail("upstream", "is missing for an app that is up");
  app.split = parse_split(from);
  app.statics = parse_statics(from);
  parse_limits(from, app);
  parse_hold(from, app);
  from.refuse_others();
  return app;
}

}  // namespace

base::Result<ParsedRoutes> parse_routes(const json& message, std::uint64_t default_max_body) {
  std::optional<base::Error> mistake;
  Reader from(message, "", mistake);
  from.find("type");
  from.find("id");
  ParsedRoutes routes;
  if (from.need("generation")) routes.generation = from.number("generation", 0);
  from.need("apps");
  std::set<std::string, std::less<>> names;
  from.each("apps", [&](const json& value, const std::string& place) {
    routes.apps.push_back(parse_app(value, place, default_max_body, mistake));
    if (!names.insert(routes.apps.back().name).second) from.fail_at(place + ".app", "occurs twice");
  });
  from.refuse_others();
  if (mistake) return std::unexpected(std::move(*mistake));
  return routes;
}

}  // namespace edge
