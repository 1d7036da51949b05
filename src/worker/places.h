// worker::Places: keeps objects that know their place (a member `position`), so that each is found and taken out at
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace worker {

inline constexpr std::size_t no_position = SIZE_MAX;

// `Pointer`: a smart pointer that owns the object.
template <typename Pointer>
class Places {
 public:
  using Object = typename Pointer::element_type;

  Object& put(Pointer object) {
    object->position = places_.size();
    places_.push_back(std::move(object));
    return *places_.back();
  }
  // Null: it is not kept here.
  Pointer take(Object& object) {
    std::size_t position = std::exchange(object.position, no_position);
    if (position == no_position) return nullptr;
    Pointer taken = std::exchange(places_[position], nullptr);
    if (position + 1 < places_.size()) {
      places_[position] = std::move(places_.back());
      places_[position]->position = position;
    }
    places_.pop_back();
    return taken;
  }
  void clear() { places_.clear(); }

 private:
  std::vector<Pointer> places_;
};

}  // namespace worker
