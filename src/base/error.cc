#include "base/error.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace base {
namespace {

constexpr std::array<KindFacts, 9> facts{{
    {"invalid", 400, 2, false},
    {"not_found", 404, 1, false},
    {"conflict", 409, 1, false},
    {"denied", 403, 1, false},
    {"unavailable", 503, 1, true},
    {"overloaded", 503, 1, true},
    {"disconnected", 502, 1, true},
    {"unsupported", 501, 1, false},
    {"internal", 500, 1, false},
}};

Kind kind_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
      return Kind::not_found;
    case EEXIST:
    case EBUSY:
    case EADDRINUSE:
    case ENOTEMPTY:
      return Kind::conflict;
    case EACCES:
    case EPERM:
    case EROFS:
      return Kind::denied;
    case EAGAIN:
    case ETIMEDOUT:
    case EINTR:
      return Kind::unavailable;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
      return Kind::overloaded;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
      return Kind::disconnected;
    case ENOSYS:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EAFNOSUPPORT:
      return Kind::unsupported;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
      return Kind::invalid;
    default:
      return Kind::internal;
  }
}

}  // namespace

const KindFacts& kind_facts(Kind kind) { return facts[static_cast<std::size_t>(kind)]; }

Kind kind_named(std::string_view name) {
  for (std::size_t i = 0; i < facts.size(); i++)
    if (facts[i].name == name) return static_cast<Kind>(i);
  return Kind::internal;
}

Error Error::from_errno(std::string_view attempted, int error_number) {
  return {kind_of_errno(error_number), fmt::format("{}: {}", attempted, std::strerror(error_number))};
}

Error& Error::add_context(std::string context) & {
  contexts_.push_back(std::move(context));
  return *this;
}

Error&& Error::add_context(std::string context) && {
  contexts_.push_back(std::move(context));
  return std::move(*this);
}

Error&& Error::with_advice(std::string advice) && {
  advice_ = std::move(advice);
  return std::move(*this);
}

std::string Error::describe() const {
  std::string text;
  for (auto context = contexts_.rbegin(); context != contexts_.rend(); ++context) text += *context + ": ";
  return text + message_;
}

std::unexpected<Error> errno_error(std::string_view attempted) {
  return std::unexpected(Error::from_errno(attempted, errno));
}

std::unexpected<Error> wrap(Error error, std::string context) {
  return std::unexpected(std::move(error).add_context(std::move(context)));
}

void panic(std::string_view message) {
  std::fprintf(stderr, "serai: broken invariant: %.*s\n", static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace base
