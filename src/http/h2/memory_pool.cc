#include "http/h2/memory_pool.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SERAI_SEES_MEMORY
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SERAI_SEES_MEMORY
#endif
#endif

namespace http::h2 {
#ifndef SERAI_SEES_MEMORY
namespace {

// In front of each block: its class, so that it is known when it comes back.
struct alignas(16) Block {
  Block* next;
  std::size_t size_class;
};

constexpr std::size_t granule = 64;
constexpr std::size_t classes = 9;  // up to 512 bytes; class 0 is for what is larger, and not kept
constexpr std::uint32_t most_kept = 256;

std::size_t class_of(std::size_t size) {
  const std::size_t found = (size + granule - 1) / granule;
  return found < classes ? found : 0;
}

thread_local bool thread_ends = false;  // outlives the lists

class Lists {
 public:
  ~Lists() {
    for (Block*& block : first_) {
      while (block) std::free(std::exchange(block, block->next));
    }
    thread_ends = true;
  }
  void* take(std::size_t size) {
    const std::size_t wanted = class_of(size);
    Block* block = first_[wanted];
    if (block && wanted != 0) {
      first_[wanted] = block->next;
      --kept_[wanted];
      return block + 1;
    }
    block = static_cast<Block*>(std::malloc(sizeof(Block) + (wanted ? wanted * granule : size)));
    if (!block) return nullptr;
    block->size_class = wanted;
    return block + 1;
  }
  void give(void* memory) {
    Block* block = static_cast<Block*>(memory) - 1;
    const std::size_t kind = block->size_class;
    if (kind == 0 || kept_[kind] >= most_kept) return std::free(block);
    block->next = std::exchange(first_[kind], block);
    ++kept_[kind];
  }

 private:
  std::array<Block*, classes> first_{};
  std::array<std::uint32_t, classes> kept_{};
};

Lists& lists() {
  thread_local Lists mine;
  return mine;
}

void* take(std::size_t size, void*) { return lists().take(size); }
void give(void* memory, void*) {
  if (!memory) return;
  if (thread_ends) return std::free(static_cast<Block*>(memory) - 1);
  lists().give(memory);
}
void* take_zeroed(std::size_t count, std::size_t size, void*) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* memory = lists().take(count * size);
  return memory ? std::memset(memory, 0, count * size) : nullptr;
}
void* resize(void* memory, std::size_t size, void*) {
  if (!memory) return lists().take(size);
  Block* block = static_cast<Block*>(memory) - 1;
  if (block->size_class == 0 && class_of(size) == 0) {
    block = static_cast<Block*>(std::realloc(block, sizeof(Block) + size));
    return block ? block + 1 : nullptr;
  }
  if (block->size_class != 0 && size <= block->size_class * granule) return memory;
  void* moved = lists().take(size);
  if (!moved) return nullptr;
  // One of the two is small, and the old block has at least as many bytes as are copied.
  const std::size_t old_size = block->size_class ? block->size_class * granule : size;
  std::memcpy(moved, memory, old_size < size ? old_size : size);
  lists().give(memory);
  return moved;
}

}  // namespace
#endif

nghttp2_mem* pooled_memory() {
#ifdef SERAI_SEES_MEMORY
  return nullptr;
#else
  static nghttp2_mem functions = {nullptr, take, give, take_zeroed, resize};
  return &functions;
#endif
}

}  // namespace http::h2
