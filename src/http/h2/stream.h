// http::h2::Stream: one request and its answer on an HTTP/2 connection, as the codec keeps it. Used again for later
// streams once nghttp2 has closed it and its owner has released it.
#pragma once

#include <cstdint>

#include "http/codec.h"
#include "http/h2/answer.h"
#include "http/h2/request_builder.h"

namespace http::h2 {

struct StreamState {
  StreamId id = 0;
  void* user = nullptr;
  Problem problem;
  std::uint64_t body_limit = 0;
  std::uint64_t body_received = 0;
  std::uint64_t unconsumed = 0;  // bytes given to the owner that it has not consumed
  std::uint64_t sent = 0;        // of the answer's body, in the output

  bool is_open = false;        // nghttp2 has it
  bool is_owned = false;       // the owner knows it and has not released it
  bool is_given_up = false;    // reset by the owner
  bool is_refused = false;     // `problem` says why; the rest of the request is dropped
  bool is_blamed = false;      // it has cost its peer a point
  bool request_ended = false;  // END_STREAM came
  bool answer_sent = false;    // END_STREAM is in the output
  bool is_above_mark = false;  // what was owed was more than the low-water mark
  bool is_stalled = false;     // nghttp2 waits to hear that there are bytes to send
};

struct Stream : StreamState {
  RequestBuilder request;
  Answer answer;

  Stream() { clear(); }
  // Forgets the stream it was; its memory stays for the next one, within bounds.
  void clear() {
    static_cast<StreamState&>(*this) = {};
    request.begin();
    answer.begin(Method::other);
  }
  bool is_over() const { return !is_open || is_given_up; }
  bool is_tunnel() const { return request.head().method == Method::connect; }
  bool is_open_tunnel() const { return is_tunnel() && answer.status() < 300; }
};

}  // namespace http::h2
