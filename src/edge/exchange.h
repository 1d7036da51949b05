// edge::Exchange: answers one request of a client connection, with a file or with an app.
//
// The connection tells it the body and the client's state; it writes the answer through the connection's codec and
// ends with ClientConnection::finish or ::abort, which bury it.
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
  // The connection's output went below its high water mark, or is empty.
  virtual void on_drained() = 0;
  // The client is gone, or its body was broken: stop all work. Nothing can be written any more.
  virtual void on_cut() = 0;
  // Twice a second.
  virtual void on_sweep(net::Clock::time_point now) = 0;
};

}  // namespace edge
