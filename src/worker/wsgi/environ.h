// wsgi::EnvironBuilder: makes the environ of a request (PEP 3333), a fresh dict each time, from a prebuilt one.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "http/spooled_body.h"
#include "python/ref.h"
#include "worker/options.h"
#include "worker/seen_values.h"
#include "worker/state.h"
#include "worker/stream.h"

namespace worker::wsgi {

class EnvironBuilder {
 public:
  EnvironBuilder(State& state, const Options& options, PyObject* file_wrapper);

  // Reads the stream's head. `input` becomes wsgi.input; `body_size` is set for chunked bodies, whose head has no
  // Content-Length.
  // Not for two threads at once.
  python::Ref build(const Stream& stream, PyObject* input, std::optional<std::uint64_t> body_size) const;

 private:
  void add_target(const http::RequestHead& head, PyObject* environ) const;
  void add_peers(const Stream& stream, PyObject* environ) const;
  PyObject* host_text(const std::string& host) const;
  void add_headers(const http::RequestHead& head, PyObject* environ) const;
  void apply_forwarded(const Stream& stream, PyObject* environ) const;
  python::Ref key_of(const http::Header& header) const;
  python::Ref method(const http::RequestHead& head) const;

  State& state_;
  std::string root_path_;
  python::Ref base_;
  std::array<python::Ref, http::header_names.size()> keys_;
  std::array<python::Ref, 9> methods_;
  struct Local {
    std::shared_ptr<const Peer> peer;
    python::Ref name, port;
  };
  const Local& local(const std::shared_ptr<const Peer>& peer) const;
  mutable std::deque<Local> locals_;  // one per listening socket
  mutable SeenValues seen_values_;
  mutable std::string last_host_;  // of a client
  mutable python::Ref last_host_text_;
};

}  // namespace worker::wsgi
