// GET /v1/apps/{app}/logs?process=&lines=&follow=: lines of JSON, oldest first.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/api/log_reader.h"
#include "daemon/api/resources.h"

namespace control_plane::api {
namespace {

constexpr std::chrono::milliseconds kPoll{150};

using Readers = std::map<std::string, LogReader>;  // by process

// The processes that have a log now; new ones may come while we follow.
std::vector<std::string> processes_of(const std::filesystem::path& logs, const std::string& only) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(logs, error)) {
    auto name = entry.path().stem().string();
    if (entry.path().extension() == ".log" && (only.empty() || only == name)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

bool send(Exchange& exchange, std::vector<LogLine> lines) {
  std::ranges::stable_sort(lines, {}, &LogLine::time);
  for (const auto& line : lines) {
    json value{{"time", line.time}, {"process", line.process}, {"stream", line.stream}, {"text", line.text}};
    if (!exchange.line(value)) return false;
  }
  return true;
}

std::vector<LogLine> last_lines(Readers& readers, const std::filesystem::path& logs, const std::string& only,
                                std::size_t count) {
  std::vector<LogLine> lines;
  for (const auto& name : processes_of(logs, only)) {
    auto [reader, added] = readers.try_emplace(name, logs / (name + ".log"));
    for (auto& line : reader->second.last(count)) lines.push_back(std::move(line));
  }
  std::ranges::stable_sort(lines, {}, &LogLine::time);
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

std::vector<LogLine> new_lines(Readers& readers, const std::filesystem::path& logs, const std::string& only) {
  std::vector<LogLine> lines;
  for (const auto& name : processes_of(logs, only)) {
    auto [reader, added] = readers.try_emplace(name, logs / (name + ".log"));
    for (auto& line : reader->second.next()) lines.push_back(std::move(line));
  }
  return lines;
}

Result<json> stream(Resources& resources, Exchange& exchange, const std::string& app) {
  auto found = resources.services.store.find_app(app);
  if (!found) return std::unexpected(found.error());
  if (!*found) return base::not_found("there is no app {}", app);
  auto logs = resources.services.paths.logs(app);
  auto only = exchange.query("process");
  auto count = static_cast<std::size_t>(std::clamp(std::atoi(exchange.query("lines").c_str()), 0, 10'000));
  if (!exchange.begin_stream()) return json();
  Readers readers;
  bool peer = send(exchange, last_lines(readers, logs, only, count));
  bool follow = exchange.query("follow") == "1";
  while (peer && follow && !resources.stopping && !exchange.is_peer_gone()) {
    std::this_thread::sleep_for(kPoll);
    peer = send(exchange, new_lines(readers, logs, only));
  }
  exchange.end_stream();
  return json();
}

}  // namespace

void add_logs(Router& router, Resources& resources) {
  router.add("GET", "/v1/apps/{app}/logs", [&](Exchange& exchange, const Parameters& at) {
    return stream(resources, exchange, at.find("app")->second);
  });
}

}  // namespace control_plane::api
