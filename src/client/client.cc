#include "client/client.h"

#include <nlohmann/json.hpp>

#include "client/transfer.h"

namespace client {
namespace {

// Cuts a stream of bytes into its lines of JSON.
class Lines {
 public:
  explicit Lines(const OnEvent& on_event) : on_event_(on_event) {}
  bool feed(std::string_view bytes) {
    pending_ += bytes;
    std::size_t begin = 0;
    for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      auto event = json::parse(pending_.begin() + static_cast<std::ptrdiff_t>(begin),
                               pending_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      if (!event.is_discarded() && !on_event_(event)) return false;
    }
    pending_.erase(0, begin);
    return true;
  }

 private:
  const OnEvent& on_event_;
  std::string pending_;
};

Result<json> parse(const Result<std::string>& body) {
  if (!body) return std::unexpected(body.error());
  auto value = json::parse(*body, nullptr, false);
  if (value.is_discarded()) return base::fail(base::Kind::internal, "the daemon's answer is not JSON");
  return value;
}

std::string app_path(const std::string& app, std::string_view rest = {}) {
  return fmt::format("/v1/apps/{}{}", encode(app), rest);
}

}  // namespace

std::string encode(std::string_view part) {
  std::string out;
  for (unsigned char c : part) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                 c == '.' || c == '~';
    out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
}

Result<std::string> text_of(const json& body) {
  try {
    return body.dump();
  } catch (const json::type_error&) {
    return std::unexpected(base::Error(base::Kind::invalid, "a value is not UTF-8 text",
                                       "write other bytes as text, for example in base64"));
  }
}

Client::Client(std::filesystem::path root) : root_(std::move(root)) {}

Result<json> Client::call(const char* method, const std::string& path, const json* body) const {
  Transfer transfer(method, socket(), path);
  if (body) {
    auto text = text_of(*body);
    if (!text) return std::unexpected(text.error());
    transfer.send(*text);
  }
  return parse(transfer.perform());
}

Result<void> Client::stream(const std::string& path, const OnEvent& on_event) const {
  Transfer transfer("GET", socket(), path);
  Lines lines(on_event);
  transfer.receive([&](std::string_view bytes) { return lines.feed(bytes); });
  auto done = transfer.perform();
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<std::string> Client::begin_deploy(const std::string& path, const json& body) const {
  auto begun = call("POST", path, &body);
  if (!begun) return std::unexpected(begun.error());
  return begun->value("deploy", "");
}

Result<json> Client::version() const { return call("GET", "/v1/version"); }
Result<json> Client::doctor() const { return call("GET", "/v1/doctor"); }
Result<json> Client::stop_host(bool everything) const {
  json body{{"everything", everything}};
  return call("POST", "/v1/host/stop", &body);
}

Result<std::string> Client::upload(const ReadBytes& read) const {
  Transfer transfer("POST", socket(), "/v1/uploads");
  transfer.send(read);
  auto answer = parse(transfer.perform());
  if (!answer) return base::wrap(answer.error(), "upload the app");
  return answer->value("upload", "");
}

Result<std::string> Client::deploy(const DeployRequest& request) const {
  return begin_deploy("/v1/deploys", {{"upload", request.upload},
                                      {"app", request.app},
                                      {"env", request.env},
                                      {"only_detect", request.only_detect},
                                      {"environment", request.environment}});
}

Result<void> Client::watch_deploy(const std::string& id, const OnEvent& on_event) const {
  return stream(fmt::format("/v1/deploys/{}/events", encode(id)), on_event);
}

Result<json> Client::apps() const { return call("GET", "/v1/apps"); }
Result<json> Client::status(const std::string& app) const { return call("GET", app_path(app)); }
Result<json> Client::releases(const std::string& app) const { return call("GET", app_path(app, "/releases")); }
Result<json> Client::config(const std::string& app) const { return call("GET", app_path(app, "/config")); }
Result<json> Client::limits(const std::string& app) const { return call("GET", app_path(app, "/limits")); }

Result<void> Client::logs(const std::string& app, const LogQuery& query, const OnEvent& on_event) const {
  return stream(app_path(app, fmt::format("/logs?process={}&lines={}&follow={}", encode(query.process), query.lines,
                                          query.follow ? 1 : 0)),
                on_event);
}

Result<std::string> Client::rollback(const std::string& app, int release) const {
  return begin_deploy(app_path(app, "/rollback"), {{"release", release}});
}
Result<std::string> Client::restart(const std::string& app) const {
  return begin_deploy(app_path(app, "/restart"), json::object());
}
Result<std::string> Client::start(const std::string& app) const {
  return begin_deploy(app_path(app, "/start"), json::object());
}
Result<std::string> Client::split(const std::string& app, const std::map<std::string, int>& shares) const {
  return begin_deploy(app_path(app, "/split"), {{"shares", shares}});
}

Result<std::string> Client::move(const std::string& app, const std::string& kind) const {
  return begin_deploy(app_path(app, "/move"), {{"to", kind}});
}
Result<std::string> Client::change_env(const std::string& app, const std::map<std::string, std::string>& set,
                                       const std::vector<std::string>& unset) const {
  return begin_deploy(app_path(app, "/env"), {{"set", set}, {"unset", unset}});
}
Result<json> Client::stop(const std::string& app) const {
  json body = json::object();
  return call("POST", app_path(app, "/stop"), &body);
}
Result<json> Client::build_image(const std::string& app) const {
  json body = json::object();
  return call("POST", app_path(app, "/image"), &body);
}
Result<json> Client::check_environment(const std::string& kind, const std::string& app) const {
  return call("GET", "/v1/environments/" + encode(kind) + "/" + encode(app));
}
Result<json> Client::refresh_images() const {
  json body = json::object();
  return call("POST", "/v1/images/refresh", &body);
}
Result<json> Client::destroy(const std::string& app) const { return call("DELETE", app_path(app)); }

Result<json> Client::env(const std::string& app) const { return call("GET", app_path(app, "/env")); }
Result<json> Client::domains(const std::string& app) const { return call("GET", app_path(app, "/domains")); }
Result<json> Client::add_domain(const std::string& app, const std::string& host) const {
  return call("PUT", app_path(app, "/domains/" + encode(host)));
}
Result<json> Client::remove_domain(const std::string& app, const std::string& host) const {
  return call("DELETE", app_path(app, "/domains/" + encode(host)));
}

}  // namespace client
