#include "client/trial.h"

#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "client/connection.h"
#include "client/transfer.h"

namespace client {
namespace {

constexpr std::size_t kMostFacts = 1 << 20;

base::Error gone() {
  return base::Error(base::Kind::disconnected, "the daemon went away",
                     "see its log; nothing of the trial will be left");
}

// The first line of the stream, or the error that came instead of it.
Result<json> read_first_line(int socket) {
  std::string answer;
  for (char chunk[4096]; answer.size() < kMostFacts;) {
    auto count = base::read_some(socket, chunk);
    if (!count) return std::unexpected(count.error());
    const bool at_end = count->value_or(0) == 0;
    answer.append(chunk, count->value_or(0));
    auto body = answer.find("\r\n\r\n");
    if (body == std::string::npos && at_end) return std::unexpected(gone());
    if (body == std::string::npos) continue;
    long status = std::strtol(answer.c_str() + 9, nullptr, 10);
    if (status >= 400 && !at_end) continue;
    auto line_end = answer.find('\n', body + 4);
    if (line_end == std::string::npos && !at_end) continue;
    auto line = to_result(status, answer.substr(body + 4, line_end - body - 4));
    if (!line) return std::unexpected(line.error());
    auto facts = json::parse(*line, nullptr, false);
    if (!facts.is_object()) return std::unexpected(gone());
    return facts;
  }
  return base::fail(base::Kind::internal, "begin a trial: the daemon's answer has no end");
}

}  // namespace

Trial::Trial(std::filesystem::path root, base::Fd connection, json facts)
    : root_(std::move(root)),
      connection_(std::move(connection)),
      facts_(std::make_shared<const json>(std::move(facts))) {}

Result<Trial> Trial::begin(const std::filesystem::path& root, const std::string& app, bool with_data) {
  auto connection = connect_to_daemon((root / "api.sock").string());
  if (!connection) return std::unexpected(connection.error());
  auto body = json{{"with_data", with_data}}.dump();
  // HTTP/1.0, so that the stream that answers has no framing of its own.
  auto request = fmt::format("POST /v1/apps/{}/trial HTTP/1.0\r\nHost: serai\r\nContent-Length: {}\r\n\r\n{}",
                             encode(app), body.size(), body);
  if (auto sent = base::write_all(connection->get(), request); !sent) return std::unexpected(sent.error());
  auto facts = read_first_line(connection->get());
  if (!facts) return std::unexpected(facts.error());
  return Trial(root, std::move(*connection), std::move(*facts));
}

Result<json> Trial::call(const char* method, const std::string& path, const json* body) const {
  Transfer transfer(method, (root_ / "api.sock").string(),
                    fmt::format("/v1/trials/{}{}", facts_->at("trial").get<std::string>(), path));
  if (body) transfer.send(body->dump());
  auto answer = transfer.perform();
  if (!answer) return std::unexpected(answer.error());
  auto value = json::parse(*answer, nullptr, false);
  if (!value.is_object()) return base::fail(base::Kind::internal, "the daemon's answer is not JSON");
  return value;
}

std::string Trial::placement_path(const std::string& placement) const { return "/placements/" + encode(placement); }

Result<json> Trial::place(const std::string& kind, bool cold) const {
  json body{{"environment", kind}, {"cold", cold}};
  return call("POST", "/placements", &body);
}

Result<void> Trial::remove(const std::string& placement) const {
  auto removed = call("DELETE", placement_path(placement));
  if (!removed) return std::unexpected(removed.error());
  return {};
}

Result<json> Trial::give_turn(const std::string& placement) const {
  json body{{"placement", placement}};
  return call("PUT", "/turn", &body);
}

Result<json> Trial::measure(const std::string& placement) const { return call("GET", placement_path(placement)); }

Result<json> Trial::observe(const std::string& placement) const {
  return call("GET", placement_path(placement) + "/observation");
}

void Trial::hang_up() const { (void)::shutdown(connection_.get(), SHUT_RDWR); }

Result<void> Trial::end() const {
  hang_up();
  auto ended = call("DELETE", "");
  if (!ended) return std::unexpected(ended.error());
  return {};
}

}  // namespace client
