// worker::Exchange: one request and its response, as the connection sees it. asgi::Exchange and wsgi::Exchange
// implement it; worker::Handler makes them.
//
// All calls come on the loop's thread without the GIL, so an exchange notes what happened and queues itself for the
// part that needs Python.
#pragma once

#include <memory>
#include <string_view>

namespace worker {

class Connection;

enum class Appetite { more, full };  // whether an exchange takes more request body now

class Exchange {
 public:
  virtual ~Exchange() = default;

  // A piece of the request body. After `full` the connection reads on when the exchange calls `resume_body`.
  virtual Appetite on_body(std::string_view bytes) = 0;
  // The request has been read to its end.
  virtual void on_request_end() = 0;
  // The client sent the end of its stream: it has left, or it only waits for the answer. Sending still works.
  virtual void on_client_finished() = 0;
  // What was to be sent has fallen below the low-water mark.
  virtual void on_drained() = 0;
  // There is no connection any more. The exchange must not touch it again.
  virtual void on_connection_lost() = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // The connection's head is complete; it stays readable until `Connection::head_used`. The handler owns the exchange.
  virtual Exchange* begin(Connection& connection) = 0;
  // Whether request bodies are read before anybody asks for them.
  virtual bool buffers_bodies() const = 0;
};

}  // namespace worker
