// edge::Exchange: answers one request of a client, with a file or with an app.
//
// It is told the body and the client's state; it answers through its Stream, which ends with burying it.
#pragma once

#include <string_view>

#include "edge/context.h"

namespace edge {

class Exchange : public Mortal {
 public:
  // Whether it takes body bytes now. When that becomes true later: ClientConnection::continue_reading.
  virtual bool wants_body() const = 0;
  virtual void on_body(std::string_view bytes) = 0;
  virtual void on_body_end() = 0;
  // There is room for more of the answer: Stream::want_room asked for it.
  virtual void on_drained() = 0;
  // The client is gone, or its body was broken: stop all work. Nothing can be written any more.
  virtual void on_cut() = 0;
  // Twice a second.
  virtual void on_sweep(net::Clock::time_point now) = 0;
};

}  // namespace edge
