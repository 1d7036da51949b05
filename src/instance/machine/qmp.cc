#include "instance/machine/qmp.h"

#include <nlohmann/json.hpp>

namespace instance {
namespace {

using nlohmann::json;

// A member that is text; empty when it is missing or something else.
std::string text_of(const json& object, const char* name) {
  if (!object.is_object()) return {};
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json member(const json& object, const char* name) {
  auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() ? *found : json();
}

std::string version_of(const json& greeting) {
  auto numbers = member(member(greeting, "version"), "qemu");
  auto major = member(numbers, "major"), minor = member(numbers, "minor");
  if (!major.is_number_integer() || !minor.is_number_integer()) return {};
  return fmt::format("{}.{}", major.get<std::int64_t>(), minor.get<std::int64_t>());
}

QmpMessage event_of(const json& message) {
  auto data = member(message, "data");
  auto detail = text_of(data, "reason");
  if (detail.empty()) detail = text_of(data, "action");
  return {.kind = QmpMessage::Kind::event, .name = text_of(message, "event"), .detail = detail};
}

}  // namespace

base::Result<QmpMessage> parse_qmp(std::string_view line) {
  auto message = json::parse(line, nullptr, false);
  if (!message.is_object()) return base::invalid("QEMU said what is no QMP: {}", line.substr(0, 80));
  if (message.contains("QMP"))
    return QmpMessage{.kind = QmpMessage::Kind::greeting, .name = {}, .detail = version_of(message["QMP"])};
  if (!text_of(message, "event").empty()) return event_of(message);
  if (message.contains("error"))
    return QmpMessage{.kind = QmpMessage::Kind::error,
                      .name = text_of(message["error"], "class"),
                      .detail = text_of(message["error"], "desc")};
  if (message.contains("return")) return QmpMessage{};
  return base::invalid("QEMU said what is no QMP: {}", line.substr(0, 80));
}

std::string qmp_command(std::string_view name) { return json{{"execute", name}}.dump() + "\n"; }

}  // namespace instance
