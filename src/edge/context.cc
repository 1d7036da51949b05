#include "edge/context.h"

#include <limits>

namespace edge {
namespace {

// A body may be as large as its app allows (dispatch). Windows: what uploads to a held app may cost in memory.
http::h2::Options http2_options(const Options& options) {
  http::h2::Options chosen;
  chosen.limits = options.limits;
  chosen.limits.body_bytes = std::numeric_limits<std::uint64_t>::max();
  chosen.stream_window = 256 << 10;
  chosen.connection_window = 1 << 20;
  return chosen;
}

}  // namespace

Context::Context(net::Loop& its_loop, const Options& its_options)
    : loop(its_loop), options(its_options), http2(http2_options(its_options)) {}

void Context::bury(std::unique_ptr<Mortal> mortal) {
  if (!mortal) return;
  graveyard_.push_back(std::move(mortal));
  loop.defer(*this);
}

// Destructors may bury others.
void Context::at_end_of_turn() {
  auto buried = std::move(graveyard_);
  graveyard_.clear();
}

void Context::bury_now() {
  while (!graveyard_.empty()) at_end_of_turn();
}

}  // namespace edge
