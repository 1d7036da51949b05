// http::h2::MemoryPool: memory for nghttp2, which takes and gives back a dozen small blocks for each request. They come
// from lists of the thread, by size, and stay there for the next request, a bounded number of each.
#pragma once

#include <nghttp2/nghttp2.h>

namespace http::h2 {

// For nghttp2_session_server_new3; null when a sanitizer is to see each block by itself.
nghttp2_mem* pooled_memory();

}  // namespace http::h2
