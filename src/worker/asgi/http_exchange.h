// asgi::HttpExchange: one request under ASGI (asgiref specs/www.rst, HTTP connection scope).
//
//   started (task) ──► response begun ──► body complete ──► (trailers ──►) response complete ──► task done
//
// The response is complete with its last byte; the task may go on after that (background tasks).
#pragma once

#include <string>

#include "worker/asgi/exchange.h"

namespace worker::asgi {

class HttpExchange final : public Exchange {
 public:
  using Exchange::Exchange;

  Appetite on_body(std::string_view bytes) override;
  void on_request_end() override;
  void on_client_finished() override;
  std::optional<python::Ref> try_receive() override;
  bool is_counted() const override { return true; }

 private:
  python::Ref make_scope() override;
  bool has_news() const override;
  Progress send_message(PyObject* type, PyObject* message) override;
  void on_return() override;
  void on_failure() override { fail_response(); }
  void send_early_hint(PyObject* message);
  Progress send_path(PyObject* message);
  Progress send_descriptor(PyObject* message);
  void append_file(base::Fd file, std::uint64_t offset, std::uint64_t size);
  void send_trailers(PyObject* message);
  python::Ref request_message();

  std::string body_;  // of the request, not received by the application yet
  bool request_ended_ = false, request_delivered_ = false;
  bool client_finished_ = false;
  bool client_takes_trailers_ = false;
};

}  // namespace worker::asgi
