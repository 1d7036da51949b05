// asgi::ScopeBuilder: makes the scope of a request or a WebSocket, a fresh dict each time, from a prebuilt one.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "http/message.h"
#include "python/ref.h"
#include "worker/asgi/tls_extension.h"
#include "worker/options.h"
#include "worker/seen_values.h"
#include "worker/state.h"
#include "worker/stream.h"

namespace worker::asgi {

class ScopeBuilder {
 public:
  ScopeBuilder(State& state, const Options& options);

  // These read the stream's head, which must still be readable. `lifespan_state` is copied, shallowly.
  python::Ref of_request(const Stream& stream, PyObject* lifespan_state) const;
  python::Ref of_websocket(const Stream& stream, PyObject* lifespan_state,
                           const std::vector<std::string_view>& subprotocols) const;

 private:
  // What differs between the two.
  struct Kind {
    python::Ref base, extensions;
    PyObject *plain_scheme, *secure_scheme;  // interned names
  };
  Kind kind(const python::Ref& type, const python::Ref& plain, const python::Ref& secure, PyObject* extensions) const;
  python::Ref build(const Kind& kind, const Stream& stream, PyObject* lifespan_state) const;
  python::Ref headers(const http::RequestHead& head) const;
  python::Ref path(std::string_view encoded) const;
  python::Ref method(const http::RequestHead& head) const;
  PyObject* server(const std::shared_ptr<const Peer>& local) const;
  python::Ref client(const Peer& peer) const;
  void apply_forwarded(const Kind& kind, const Stream& stream, PyObject* scope) const;

  State& state_;
  std::string root_path_;
  python::Ref asgi_;
  Kind request_, websocket_;
  std::array<python::Ref, http::header_names.size()> header_names_;
  std::array<python::Ref, 9> methods_;
  mutable SeenValues seen_pairs_;  // (name, value) of a header
  mutable std::string last_host_;  // of a client
  mutable python::Ref last_host_text_;
  mutable TlsExtension tls_extension_;
  mutable std::vector<std::pair<std::shared_ptr<const Peer>, python::Ref>> servers_;  // one per listening socket
};

}  // namespace worker::asgi
