// asgi::WebSocketExchange: one WebSocket under ASGI (asgiref specs/www.rst, WebSocket connection scope, and the
// extension websocket.http.response).
//
//   connecting ──(accept)──► accepted ──► ended
//       ├──(close: 403)─────────────────►
//       └──(websocket.http.response.start)──► denied
//
// The protocol itself, and when the stream is let go, is worker::WebSocket's.
#pragma once

#include "worker/asgi/exchange.h"
#include "worker/websocket.h"

namespace worker::asgi {

class WebSocketExchange final : public Exchange, private WebSocket::Listener {
 public:
  WebSocketExchange(std::shared_ptr<Handler> handler, Stream& stream);

  Appetite on_body(std::string_view bytes) override { return socket_.on_body(bytes); }
  void on_request_end() override {}
  void on_client_finished() override { socket_.on_client_finished(); }
  void on_drained() override { socket_.on_drained(); }
  void on_drain() override { socket_.on_drain(); }
  void on_lost() override;
  std::optional<python::Ref> try_receive() override;
  bool is_counted() const override { return false; }

 private:
  enum class Phase : std::uint8_t { connecting, accepted, denied, ended };

  void on_websocket_news() override { queue(); }
  python::Ref make_scope() override;
  bool has_news() const override;
  Progress send_message(PyObject* type, PyObject* message) override;
  void settle() override;
  void on_return() override;
  void on_failure() override;

  void refuse_handshake(const websocket::Refusal& refusal);
  python::Ref connect_message() const;
  python::Ref next_message();
  python::Ref disconnect_message() const;
  void accept(PyObject* message);
  Progress send_data(PyObject* message);
  void close(PyObject* message);
  static void reject_success(PyObject* status);
  Progress deny(PyObject* type, PyObject* message);
  void expect(Phase phase, PyObject* type) const;

  WebSocket socket_;
  Phase phase_ = Phase::connecting;
  bool connect_delivered_ = false;
};

}  // namespace worker::asgi
