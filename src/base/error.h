// base::Error: an error has a kind, a message and a chain of contexts.
//
// Expected outcomes travel as `base::Result<T>`; a broken invariant ends the process (`base::panic`).
// Messages say what was attempted, what was found and what to do next. Wrapping adds context, it does not repeat.
#pragma once

#include <fmt/core.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace base {

// Kinds follow the caller's next move; one table (kind_facts) maps them to HTTP status, exit code and retry advice.
enum class Kind { invalid, not_found, conflict, denied, unavailable, overloaded, disconnected, unsupported, internal };

struct KindFacts {
  std::string_view name;  // as it appears in JSON, for example "not_found"
  int http_status;
  int exit_code;  // 1 failed, 2 wrong use
  bool retry;     // whether the same call may succeed later
};

const KindFacts& kind_facts(Kind kind);
// The kind with this name; internal when there is none.
Kind kind_named(std::string_view name);

class Error {
 public:
  Error(Kind kind, std::string message, std::string advice = {})
      : kind_(kind), message_(std::move(message)), advice_(std::move(advice)) {}

  // The error of a failed system call: `attempted` says what was tried; errno gives kind and reason.
  static Error from_errno(std::string_view attempted, int error_number);

  Kind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  // What to do next; may be empty.
  const std::string& advice() const { return advice_; }
  // Adds what the caller was doing; the newest context is printed first.
  Error& add_context(std::string context) &;
  Error&& add_context(std::string context) &&;
  Error&& with_advice(std::string advice) &&;
  // What the callers were doing, innermost first; may be empty.
  const std::vector<std::string>& contexts() const { return contexts_; }
  // "context: context: message", without the advice.
  std::string describe() const;

 private:
  Kind kind_;
  std::string message_;
  std::string advice_;
  std::vector<std::string> contexts_;
};

template <typename T>
using Result = std::expected<T, Error>;

// Short makers: `return base::invalid("...")`.
template <typename... Args>
std::unexpected<Error> fail(Kind kind, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error(kind, fmt::format(format, std::forward<Args>(args)...)));
}
template <typename... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) {
  return fail(Kind::invalid, format, std::forward<Args>(args)...);
}
template <typename... Args>
std::unexpected<Error> not_found(fmt::format_string<Args...> format, Args&&... args) {
  return fail(Kind::not_found, format, std::forward<Args>(args)...);
}
// The error of the system call that just failed; reads errno.
std::unexpected<Error> errno_error(std::string_view attempted);

// Passes an error on with context added: `return base::wrap(result.error(), "reading serai.toml")`.
std::unexpected<Error> wrap(Error error, std::string context);

// A broken invariant: prints the message and aborts.
[[noreturn]] void panic(std::string_view message);

}  // namespace base
