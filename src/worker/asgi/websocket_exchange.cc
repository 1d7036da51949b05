#include "worker/asgi/websocket_exchange.h"

#include "worker/asgi/handler.h"
#include "worker/asgi/message.h"

namespace worker::asgi {
namespace {

namespace close_code = websocket::close;

python::Ref ascii(std::string_view text) {
  python::Ref object = python::checked(PyUnicode_New(static_cast<Py_ssize_t>(text.size()), 127));
  text.copy(static_cast<char*>(PyUnicode_DATA(object.get())), text.size());
  return object;
}

websocket::CloseCode read_code(PyObject* given) {
  if (!given) return close_code::normal;
  long code = PyLong_AsLong(given);
  if (code == -1 && PyErr_Occurred()) python::rethrow();
  if (code >= 0 && code <= 0xffff && websocket::may_be_sent(static_cast<unsigned>(code))) {
    return static_cast<websocket::CloseCode>(code);
  }
  python::raise(PyExc_ValueError, "close code " + std::to_string(code) + " may not be sent; use 1000 or 3000 to 4999");
}

}  // namespace

WebSocketExchange::WebSocketExchange(std::shared_ptr<Handler> handler, Stream& stream)
    : Exchange(std::move(handler), stream), socket_(this->handler().server(), *this) {}

void WebSocketExchange::on_lost() {
  socket_.on_lost();
  Exchange::on_lost();
}

// --- the beginning --------------------------------------------------------------------------------------------------

python::Ref WebSocketExchange::make_scope() {
  auto opening = websocket::read_opening(stream_->head());
  if (!opening) {
    refuse_handshake(opening.error());
    return {};
  }
  socket_.begin(*stream_, *opening);
  return handler().scopes().of_websocket(*stream_, handler().lifespan_state(), opening->subprotocols);
}

// RFC 6455 section 4.2.2: the application never hears of it.
void WebSocketExchange::refuse_handshake(const websocket::Refusal& refusal) {
  std::string text(refusal.reason);
  text += '\n';
  (void)stream_->start(refusal.status);
  (void)stream_->field("content-type", "text/plain; charset=utf-8");
  if (refusal.status == 426) (void)stream_->field("sec-websocket-version", "13");
  (void)stream_->finish_head(text.size());
  (void)stream_->body(text);
  phase_ = Phase::denied;
  complete_response();
}

// --- receive --------------------------------------------------------------------------------------------------------

bool WebSocketExchange::has_news() const {
  return !connect_delivered_ || socket_.has_message() || socket_.ending() || response_complete_;
}

std::optional<python::Ref> WebSocketExchange::try_receive() {
  check_thread();
  if (!std::exchange(connect_delivered_, true)) return connect_message();
  if (socket_.has_message()) return next_message();
  if (socket_.ending() || response_complete_) return disconnect_message();
  return std::nullopt;
}

python::Ref WebSocketExchange::connect_message() const {
  const Names& names = handler().state().names;
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.websocket_connect.get());
  return message;
}

python::Ref WebSocketExchange::next_message() {
  const Names& names = handler().state().names;
  const WebSocket::Message next = socket_.front();
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.websocket_receive.get());
  if (!next.is_text) {
    python::set_item(message.get(), names.bytes.get(), python::bytes(next.payload).get());
  } else {
    python::Ref text = next.is_ascii ? ascii(next.payload) : python::text(next.payload);
    python::set_item(message.get(), names.text.get(), text.get());
  }
  spend_bytes(next.payload.size());
  socket_.take();
  return message;
}

python::Ref WebSocketExchange::disconnect_message() const {
  const Names& names = handler().state().names;
  const auto& ending = socket_.ending();
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.websocket_disconnect.get());
  python::set_item(message.get(), names.code.get(),
                   python::integer(ending ? ending->code : close_code::abnormal).get());
  python::set_item(message.get(), names.reason.get(),
                   python::text(ending ? std::string_view(ending->reason) : std::string_view()).get());
  return message;
}

// --- send -----------------------------------------------------------------------------------------------------------

Progress WebSocketExchange::send_message(PyObject* type, PyObject* message) {
  const Names& names = handler().state().names;
  if (equals(type, names.websocket_send)) {
    expect(Phase::accepted, type);
    return send_data(message);
  }
  if (equals(type, names.websocket_accept)) {
    expect(Phase::connecting, type);
    accept(message);
    return Progress::done;
  }
  if (equals(type, names.websocket_close)) {
    close(message);
    return Progress::done;
  }
  return deny(type, message);
}

void WebSocketExchange::expect(Phase phase, PyObject* type) const {
  if (phase_ == phase) return;
  static constexpr const char* when[] = {"before the WebSocket was accepted", "after the WebSocket was accepted",
                                         "after the WebSocket was denied", "after the WebSocket was closed"};
  python::raise(PyExc_RuntimeError,
                std::string(require_text(type, "a type")) + " was sent " + when[static_cast<std::size_t>(phase_)]);
}

// When the client has left meanwhile, `receive` tells; that is no mistake of the application.
void WebSocketExchange::accept(PyObject* message) {
  const Names& names = handler().state().names;
  if (!stream_ || socket_.ending()) {
    phase_ = Phase::accepted;
    return;
  }
  std::string_view subprotocol;
  if (PyObject* given = find_given(message, names.subprotocol)) subprotocol = require_text(given, "subprotocol");
  std::vector<http::Header> fields;
  PyObject* headers = find_given(message, names.headers);
  python::Ref list;  // keeps what a generator gives
  if (headers) {
    list = python::checked(PySequence_List(headers));
    for_each_header(list.get(), [&](std::string_view name, std::string_view value) {
      http::HeaderId id = http::find_header_id(name);
      if (id == http::HeaderId::sec_websocket_extensions || http::equal_ignoring_case(name, "sec-websocket-accept")) {
        python::raise(PyExc_RuntimeError, std::string(name) + " is for the server to say");
      }
      fields.push_back({name, value, id});
    });
  }
  if (auto done = socket_.open(subprotocol, fields); !done) refuse(done.error());
  phase_ = Phase::accepted;
}

Progress WebSocketExchange::send_data(PyObject* message) {
  const Names& names = handler().state().names;
  if (!socket_.is_open()) raise_disconnected();
  if (PyObject* text = find_given(message, names.text)) {
    std::string_view payload = require_text(text, "text");
    spend_bytes(payload.size());
    socket_.send(websocket::Opcode::text, payload);
  } else if (PyObject* bytes = find_given(message, names.bytes)) {
    python::Buffer buffer(bytes);
    spend_bytes(buffer.view().size());
    socket_.send(websocket::Opcode::binary, buffer.view());
  } else {
    python::raise(PyExc_ValueError, "websocket.send has neither 'text' nor 'bytes'");
  }
  handler().server().send_if_due(net::Clock::now());
  return is_congested() ? Progress::wait : Progress::done;
}

// Closing what is closed already is no mistake: the client may have been faster.
void WebSocketExchange::close(PyObject* message) {
  const Names& names = handler().state().names;
  if (phase_ == Phase::denied) expect(Phase::connecting, names.websocket_close.get());
  if (phase_ == Phase::connecting) {
    phase_ = Phase::ended;
    response_complete_ = true;
    socket_.abandon();
    if (Stream* stream = std::exchange(stream_, nullptr)) stream->respond(403, "Forbidden");
    return;
  }
  websocket::CloseCode code = read_code(find_given(message, names.code));
  std::string_view reason;
  if (PyObject* given = find_given(message, names.reason)) reason = require_text(given, "reason");
  phase_ = Phase::ended;
  socket_.close(code, reason);
}

// RFC 8441 section 5: over HTTP/2 it would open the WebSocket.
void WebSocketExchange::reject_success(PyObject* status) {
  const long code = status ? PyLong_AsLong(status) : 0;
  if (code == -1 && PyErr_Occurred()) python::rethrow();
  if (code >= 200 && code < 300) {
    python::raise(PyExc_ValueError, "over HTTP/2 no WebSocket can be denied with status " + std::to_string(code));
  }
}

// The extension websocket.http.response: an HTTP response of the application's instead of 403.
Progress WebSocketExchange::deny(PyObject* type, PyObject* message) {
  const Names& names = handler().state().names;
  if (equals(type, names.websocket_response_start)) {
    expect(Phase::connecting, type);
    if (!stream_) raise_disconnected();
    if (stream_->protocol() == Protocol::http2) reject_success(find(message, names.status));
    begin_response(message);
    phase_ = Phase::denied;
    socket_.abandon();
    return Progress::done;
  }
  if (!equals(type, names.websocket_response_body)) reject_type(type);
  expect(Phase::denied, type);
  if (response_complete_) python::raise(PyExc_RuntimeError, "send() was called after the response was complete");
  if (!stream_) raise_disconnected();
  return send_body(message);
}

// --- the end --------------------------------------------------------------------------------------------------------

void WebSocketExchange::settle() {
  if (stream_ && phase_ != Phase::denied && socket_.finish_if_over()) stream_ = nullptr;
}

void WebSocketExchange::on_return() {
  if (phase_ == Phase::connecting || phase_ == Phase::denied) {
    handler().log_error(phase_ == Phase::denied ? "ASGI application returned without completing its response"
                                                : "ASGI application returned without accepting or closing a WebSocket",
                        Py_None);
    return on_failure();
  }
  socket_.close(close_code::normal, {});
}

void WebSocketExchange::on_failure() {
  if (phase_ == Phase::connecting || phase_ == Phase::denied) {
    socket_.abandon();
    return fail_response();
  }
  socket_.close(close_code::internal_error, {});
}

}  // namespace worker::asgi
