#include "environment/shared/record.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"

namespace environment {

using nlohmann::json;

namespace {
std::filesystem::path record_file(const Layout& layout, const std::string& id) {
  return layout.instance(id) / "record.json";
}
}  // namespace

base::Result<void> Record::write(const Layout& layout) const {
  json value = {{"app", app},
                {"id", id},
                {"kind", to_string(kind)},
                {"uid", user.uid},
                {"gid", user.gid},
                {"code", code},
                {"has_socket", has_socket},
                {"port", port},
                {"graceful_timeout_ms", graceful_timeout_ms},
                {"cpu", limits.cpu},
                {"memory", limits.memory},
                {"processes", limits.processes},
                {"cpus", limits.cpus},
                {"memory_reserved", limits.memory_reserved},
                {"own_network", own_network},
                {"network_missing", network_missing},
                {"interface", interface},
                {"address", address},
                {"group", group},
                {"supervisor", supervisor},
                {"supervisor_started", supervisor_started}};
  return base::write_file_atomically(record_file(layout, id), value.dump(1) + "\n", 0600);
}

base::Result<Record> Record::read(const Layout& layout, const std::string& id) {
  auto file = record_file(layout, id);
  if (!std::filesystem::exists(file)) return base::not_found("find instance {}: there is no {}", id, file.string());
  auto text = base::read_file(file);
  if (!text) return std::unexpected(text.error());
  try {
    auto value = json::parse(*text);
    Record record;
    value.at("app").get_to(record.app);
    value.at("id").get_to(record.id);
    record.user = {value.at("uid").get<uid_t>(), value.at("gid").get<gid_t>()};
    value.at("code").get_to(record.code);
    value.at("has_socket").get_to(record.has_socket);
    value.at("port").get_to(record.port);
    value.at("graceful_timeout_ms").get_to(record.graceful_timeout_ms);
    record.limits = {value.at("cpu").get<double>(), value.at("memory").get<std::uint64_t>(),
                     value.at("processes").get<std::uint32_t>()};
    // Instances of earlier versions have none of these.
    record.kind = find_kind(value.value("kind", "shared")).value_or(Kind::shared);
    record.limits.cpus = value.value("cpus", "");
    record.limits.memory_reserved = value.value("memory_reserved", std::uint64_t{0});
    record.own_network = value.value("own_network", false);
    record.network_missing = value.value("network_missing", "");
    record.interface = value.value("interface", 0U);
    record.address = value.value("address", "");
    value.at("group").get_to(record.group);
    value.at("supervisor").get_to(record.supervisor);
    value.at("supervisor_started").get_to(record.supervisor_started);
    return record;
  } catch (const json::exception& error) {
    return base::fail(base::Kind::internal, "read {}: {}", file.string(), error.what());
  }
}

std::optional<Kind> recorded_kind(const Layout& layout, const std::string& id) {
  auto text = base::read_file(record_file(layout, id));
  auto value = text ? json::parse(*text, nullptr, false) : json();
  if (!value.is_object()) return std::nullopt;
  auto kind = value.find("kind");
  if (kind == value.end()) return Kind::shared;  // of an earlier version
  return kind->is_string() ? find_kind(kind->get_ref<const std::string&>()) : std::nullopt;
}

// proc(5): the name in field 2 may hold spaces and parentheses; the rest follows its last ")".
std::string start_time(pid_t pid) {
  auto text = base::read_file(fmt::format("/proc/{}/stat", pid));
  auto end = text ? text->rfind(')') : std::string::npos;
  if (end == std::string::npos) return {};
  std::istringstream fields(text->substr(end + 1));
  std::string field;
  for (int number = 3; number <= 22; number++) fields >> field;
  return field;
}

bool Record::supervisor_is_alive() const {
  if (supervisor <= 0 || supervisor_started.empty() || start_time(supervisor) != supervisor_started) return false;
  auto status = base::read_file(fmt::format("/proc/{}/stat", supervisor));
  return status && status->find(") Z ") == std::string::npos;
}

void Record::await_supervisor(std::chrono::milliseconds patience) const {
  base::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, supervisor, 0)));
  if (!process.is_open() || !supervisor_is_alive()) return;
  pollfd ended{process.get(), POLLIN, 0};
  if (::poll(&ended, 1, static_cast<int>(patience.count())) > 0) return;
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  ::poll(&ended, 1, 1000);
}

}  // namespace environment
