#include "worker/asgi/scope.h"

#include <algorithm>

#include "python/convert.h"
#include "worker/percent.h"

namespace worker::asgi {
namespace {

constexpr std::array<const char*, 9> method_names = {"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                                     "OPTIONS", "PATCH", "TRACE", "CONNECT"};

python::Ref lower_case_bytes(std::string_view name) {
  python::Ref bytes = python::checked(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(name.size())));
  std::ranges::transform(name, PyBytes_AS_STRING(bytes.get()),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return bytes;
}

python::Ref utf8(std::string_view text) {
  return python::checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

python::Ref pair(python::Ref first, python::Ref second) {
  python::Ref tuple = python::checked(PyTuple_New(2));
  PyTuple_SET_ITEM(tuple.get(), 0, first.release());
  PyTuple_SET_ITEM(tuple.get(), 1, second.release());
  return tuple;
}

}  // namespace

ScopeBuilder::ScopeBuilder(State& state, const Options& options) : state_(state), root_path_(options.root_path) {
  for (std::size_t i = 1; i < header_names_.size(); i++) header_names_[i] = python::bytes(http::header_names[i]);
  for (std::size_t i = 0; i < methods_.size(); i++) methods_[i] = python::interned(method_names[i]);
  asgi_ = python::checked(Py_BuildValue("{s:s,s:s}", "version", "3.0", "spec_version", "2.5"));
  const Names& names = state_.names;
  request_ = kind(names.http, names.http, names.https,
                  Py_BuildValue("{s:{},s:{},s:{},s:{}}", "http.response.pathsend", "http.response.zerocopysend",
                                "http.response.early_hint", "http.response.trailers"));
  python::set_item(request_.base.get(), names.method.get(), Py_None);
  websocket_ = kind(names.websocket, names.ws, names.wss, Py_BuildValue("{s:{}}", "websocket.http.response"));
}

// `extensions` is a new reference.
ScopeBuilder::Kind ScopeBuilder::kind(const python::Ref& type, const python::Ref& plain, const python::Ref& secure,
                                      PyObject* extensions) const {
  const Names& names = state_.names;
  Kind kind{.base = python::checked(PyDict_New()),
            .extensions = python::checked(extensions),
            .plain_scheme = plain.get(),
            .secure_scheme = secure.get()};
  python::set_item(kind.base.get(), names.type.get(), type.get());
  python::set_item(kind.base.get(), names.scheme.get(), plain.get());
  python::set_item(kind.base.get(), names.http_version.get(), names.http_version_11.get());
  python::set_item(kind.base.get(), names.root_path.get(), utf8(root_path_).get());
  // The other keys are there, too: a copy that only changes values neither grows nor hashes anew.
  for (const python::Ref* key : {&names.asgi, &names.path, &names.raw_path, &names.query_string, &names.headers,
                                 &names.server, &names.client, &names.state, &names.extensions})
    python::set_item(kind.base.get(), key->get(), Py_None);
  return kind;
}

python::Ref ScopeBuilder::of_request(const Stream& stream, PyObject* lifespan_state) const {
  python::Ref scope = build(request_, stream, lifespan_state);
  python::set_item(scope.get(), state_.names.method.get(), method(stream.head()).get());
  return scope;
}

python::Ref ScopeBuilder::of_websocket(const Stream& stream, PyObject* lifespan_state,
                                       const std::vector<std::string_view>& subprotocols) const {
  python::Ref scope = build(websocket_, stream, lifespan_state);
  python::Ref list = python::checked(PyList_New(0));
  for (std::string_view name : subprotocols) python::checked(PyList_Append(list.get(), python::latin1(name).get()));
  python::set_item(scope.get(), state_.names.subprotocols.get(), list.get());
  return scope;
}

python::Ref ScopeBuilder::build(const Kind& kind, const Stream& stream, PyObject* lifespan_state) const {
  const Names& names = state_.names;
  const http::RequestHead& head = stream.head();
  python::Ref scope = python::checked(PyDict_Copy(kind.base.get()));
  PyObject* dict = scope.get();
  python::set_item(dict, names.asgi.get(), python::checked(PyDict_Copy(asgi_.get())).get());
  if (stream.is_encrypted()) python::set_item(dict, names.scheme.get(), kind.secure_scheme);
  if (stream.protocol() == Protocol::http2)
    python::set_item(dict, names.http_version.get(), names.http_version_2.get());
  else if (head.minor_version == 0)
    python::set_item(dict, names.http_version.get(), names.http_version_10.get());
  python::set_item(dict, names.path.get(), path(head.path).get());
  python::Ref raw_path =
      root_path_.empty() ? python::bytes(head.path) : python::bytes(root_path_ + std::string(head.path));
  python::set_item(dict, names.raw_path.get(), raw_path.get());
  python::set_item(dict, names.query_string.get(), python::bytes(head.query).get());
  python::set_item(dict, names.headers.get(), headers(head).get());
  python::set_item(dict, names.server.get(), server(stream.local()));
  if (!stream.client().is_unix) python::set_item(dict, names.client.get(), client(stream.client()).get());
  if (stream.is_trusted()) apply_forwarded(kind, stream, dict);
  python::set_item(dict, names.state.get(), python::checked(PyDict_Copy(lifespan_state)).get());
  python::Ref extensions = python::checked(PyDict_Copy(kind.extensions.get()));
  if (const auto& facts = stream.ends().tls) {
    python::set_item(extensions.get(), names.tls.get(), tls_extension_.of(facts).get());
  }
  python::set_item(dict, names.extensions.get(), extensions.get());
  return scope;
}

python::Ref ScopeBuilder::headers(const http::RequestHead& head) const {
  auto count = static_cast<Py_ssize_t>(head.headers.size());
  python::Ref list = python::checked(PyList_New(count));
  for (Py_ssize_t i = 0; i < count; i++) {
    const http::Header& header = head.headers[static_cast<std::size_t>(i)];
    python::Ref field = seen_pairs_.of(header, [&](std::string_view value) {
      bool is_known = header.id != http::HeaderId::other;
      return pair(is_known ? header_names_[static_cast<std::size_t>(header.id)].share() : lower_case_bytes(header.name),
                  python::bytes(value));
    });
    PyList_SET_ITEM(list.get(), i, field.release());
  }
  return list;
}

python::Ref ScopeBuilder::path(std::string_view encoded) const {
  bool plain = encoded.find('%') == std::string_view::npos;
  if (plain && root_path_.empty()) return utf8(encoded);
  return utf8(root_path_ + percent_decode(encoded));
}

python::Ref ScopeBuilder::method(const http::RequestHead& head) const {
  if (head.method == http::Method::other) return python::latin1(head.method_name);
  return methods_[static_cast<std::size_t>(head.method)].share();
}

PyObject* ScopeBuilder::server(const std::shared_ptr<const Peer>& local) const {
  for (auto& [peer, tuple] : servers_)
    if (peer == local) return tuple.get();
  python::Ref port = local->is_unix ? python::Ref::borrow(Py_None) : python::integer(local->port);
  servers_.emplace_back(local, pair(utf8(local->host), std::move(port)));
  return servers_.back().second.get();
}

// Behind a proxy, all clients have the same address.
python::Ref ScopeBuilder::client(const Peer& peer) const {
  if (!last_host_text_.is_set() || last_host_ != peer.host) {
    last_host_text_ = utf8(peer.host);
    last_host_ = peer.host;
  }
  return pair(last_host_text_.share(), python::integer(peer.port));
}

// The peer is a proxy of ours: its word counts for the client's address and scheme.
void ScopeBuilder::apply_forwarded(const Kind& kind, const Stream& stream, PyObject* scope) const {
  const Names& names = state_.names;
  const http::RequestHead& head = stream.head();
  if (const http::Header* proto = head.find(http::HeaderId::x_forwarded_proto)) {
    bool is_secure = proto->value == "https" || proto->value == "wss";
    python::set_item(scope, names.scheme.get(), is_secure ? kind.secure_scheme : kind.plain_scheme);
  }
  std::string_view client = stream.forwarded_client();
  if (client.empty()) return;
  python::set_item(scope, names.client.get(), pair(utf8(client), python::integer(0)).get());
}

}  // namespace worker::asgi
