// control::Message: one JSON object with a "type" that travels between Serai's processes, with descriptors beside it.
//
// On the wire a message is a 32-bit little-endian length and that many bytes of JSON text (UTF-8, at most 4 MiB, nested
// at most 64 deep). Descriptors ride as SCM_RIGHTS on the frame's first byte; nothing else is sent in that sendmsg(2).
// The first message each way is `hello`. docs/architecture.md lists the messages.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace control {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxMessageBytes = 4 << 20;
constexpr std::size_t kMaxDescriptors = 64;  // riding with one message
constexpr int kMaxDepth = 64;

class Message {
 public:
  // An object that holds only its type.
  explicit Message(std::string_view type);
  // `body` must be an object with a "type" string (checked; a broken invariant otherwise). A template, so that text is
  // never taken for JSON.
  template <std::same_as<nlohmann::json> Json>
  explicit Message(Json body, std::vector<base::Fd> riding = {})
      : descriptors(std::move(riding)), body_(checked(std::move(body))) {}
  Message(Message&&) noexcept;
  Message& operator=(Message&&) noexcept;
  ~Message();

  // Parses the text inside a frame.
  static base::Result<Message> parse(std::string_view text);
  // The whole frame without the descriptors. Text that is no UTF-8 is sent with replacement characters.
  // Fails when it is larger than a frame may be.
  base::Result<std::string> encode() const;

  const std::string& type() const;
  // The whole object, "type" included.
  const nlohmann::json& body() const { return *body_; }
  nlohmann::json& body() { return *body_; }

  std::vector<base::Fd> descriptors;

 private:
  static std::unique_ptr<nlohmann::json> checked(nlohmann::json&& body);
  std::unique_ptr<nlohmann::json> body_;
};

// Who speaks; the first message each way.
constexpr int kVersion = 1;  // the major version: peers of another one are refused
struct Hello {
  int version = kVersion;
  std::string role;  // daemon, edge, supervisor, init, master, test

  Message to_message() const;
  // Fails for anything that is no hello, and for another version with a reason that names both.
  static base::Result<Hello> from_message(const Message& message);
};

// {"type":"error","kind":…,"message":…,"advice":…}: the usual answer to a request that failed.
Message error_message(const base::Error& error);

}  // namespace control
