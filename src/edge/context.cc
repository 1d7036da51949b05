#include "edge/context.h"

namespace edge {

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
