// worker::Exchange: one request and its response, as the protocol sees it. asgi::Exchange and wsgi::Exchange implement
// it; worker::Handler makes them.
//
// All calls come on the loop's thread without the GIL, so an exchange notes what happened and queues itself for the
// part that needs Python.
#pragma once

#include <memory>
#include <string_view>

namespace worker {

class Stream;

enum class Appetite { more, full };  // whether an exchange takes more request body now

class Exchange {
 public:
  virtual ~Exchange() = default;

  // A piece of the request body, or of what comes through a tunnel. After `full` more comes once the exchange has
  // called Stream::resume_body.
  virtual Appetite on_body(std::string_view bytes) = 0;
  // The request has been read to its end.
  virtual void on_request_end() = 0;
  // The client sends nothing more: it has left, or it only waits for the answer. Sending still works.
  virtual void on_client_finished() = 0;
  // What was to be sent has fallen below the low-water mark.
  virtual void on_drained() = 0;
  // The server drains: what could go on for long should come to an end.
  virtual void on_drain() {}
  // The client has reset this request or is gone. The exchange must not touch its stream again.
  virtual void on_lost() = 0;

  // Set before on_lost: HTTP/2 counts a stream that its client has reset as open until the application, too, has come
  // to an end and this is gone; otherwise resets would buy a client any number of requests at once.
  std::shared_ptr<const void> still_open;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // A request's head is complete; it stays readable until `Stream::head_used`. The handler owns the exchange.
  virtual Exchange* begin(Stream& stream) = 0;
  // Whether request bodies are read before anybody asks for them.
  virtual bool buffers_bodies() const = 0;
  // Whether its exchanges may open tunnels for WebSockets.
  virtual bool takes_websockets() const = 0;
};

}  // namespace worker
