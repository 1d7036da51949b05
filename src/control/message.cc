#include "control/message.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace control {
namespace {

using nlohmann::json;

// Parsing is iterative, but writing and destroying a value is not: depth is bounded before either.
int depth_of(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return deepest;
}

bool has_type(const json& body) {
  auto type = body.is_object() ? body.find("type") : body.end();
  return body.is_object() && type != body.end() && type->is_string();
}

void append_length(std::string& frame, std::size_t length) {
  for (std::size_t i = 0; i < kLengthBytes; i++) frame += static_cast<char>(length >> (8 * i) & 0xff);
}

}  // namespace

Message::Message(std::string_view type) : body_(std::make_unique<json>(json{{"type", type}})) {}

std::unique_ptr<json> Message::checked(json&& body) {
  if (!has_type(body)) base::panic("a control message without a type");
  return std::make_unique<json>(std::move(body));
}

Message::Message(Message&&) noexcept = default;
Message& Message::operator=(Message&&) noexcept = default;
Message::~Message() = default;

base::Result<Message> Message::parse(std::string_view text) {
  if (depth_of(text) > kMaxDepth) return base::invalid("a control message is nested more than {} deep", kMaxDepth);
  auto body = json::parse(text, nullptr, false);
  if (body.is_discarded()) return base::invalid("a control message of {} bytes is no JSON", text.size());
  if (!has_type(body)) return base::invalid("a control message is no object with a \"type\"");
  return Message(std::move(body));
}

base::Result<std::string> Message::encode() const {
  auto text = body_->dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kMaxMessageBytes) {
    return base::invalid("a control message {} has {} bytes; at most {} fit", type(), text.size(), kMaxMessageBytes);
  }
  if (descriptors.size() > kMaxDescriptors) {
    return base::invalid("a control message {} carries {} descriptors; at most {} fit", type(), descriptors.size(),
                         kMaxDescriptors);
  }
  std::string frame;
  frame.reserve(kLengthBytes + text.size());
  append_length(frame, text.size());
  return frame += text;
}

const std::string& Message::type() const { return body_->find("type")->get_ref<const std::string&>(); }

Message Hello::to_message() const { return Message(json{{"type", "hello"}, {"version", version}, {"role", role}}); }

base::Result<Hello> Hello::from_message(const Message& message) {
  if (message.type() != "hello") return base::invalid("a peer began with {} instead of hello", message.type());
  auto version = message.body().find("version"), role = message.body().find("role");
  if (version == message.body().end() || !version->is_number_integer())
    return base::invalid("a hello without a version");
  if (role == message.body().end() || !role->is_string()) return base::invalid("a hello without a role");
  if (*version != kVersion) {
    return base::fail(base::Kind::unsupported, "the peer {} speaks version {} of the control messages, this one {}",
                      role->get_ref<const std::string&>(), version->dump(), kVersion);
  }
  return Hello{kVersion, role->get<std::string>()};
}

Message error_message(const base::Error& error) {
  return Message(json{{"type", "error"},
                      {"kind", base::kind_facts(error.kind()).name},
                      {"message", error.describe()},
                      {"advice", error.advice()}});
}

}  // namespace control
