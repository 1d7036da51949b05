#include "worker/wsgi/environ.h"

#include "python/convert.h"
#include "worker/percent.h"
#include "worker/wsgi/types.h"

namespace worker::wsgi {
namespace {

constexpr std::array<const char*, 9> method_names = {"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                                     "OPTIONS", "PATCH", "TRACE", "CONNECT"};

// "accept-encoding" → "HTTP_ACCEPT_ENCODING"; Content-Type and Content-Length have no prefix (RFC 3875 section 4.1.18).
std::string cgi_name(std::string_view name) {
  bool bare = http::equal_ignoring_case(name, "content-type") || http::equal_ignoring_case(name, "content-length");
  std::string key = bare ? "" : "HTTP_";
  for (char c : name) key += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
  return key;
}

python::Ref interned_key(std::string_view name) { return python::interned(cgi_name(name).c_str()); }

bool is_left_out(const http::Header& header) {
  using enum http::HeaderId;
  // The body is handed over whole, so its framing is over; HTTP_PROXY would be taken for a setting (CVE-2016-5385).
  return header.id == transfer_encoding || (header.id == other && http::equal_ignoring_case(header.name, "proxy"));
}

}  // namespace

EnvironBuilder::EnvironBuilder(State& state, const Options& options, PyObject* file_wrapper)
    : state_(state), root_path_(options.root_path) {
  const Names& names = state_.names;
  for (std::size_t i = 1; i < keys_.size(); i++) keys_[i] = interned_key(http::header_names[i]);
  for (std::size_t i = 0; i < methods_.size(); i++) methods_[i] = python::interned(method_names[i]);
  base_ = python::checked(PyDict_New());
  auto set = [&](const python::Ref& key, PyObject* value) { python::set_item(base_.get(), key.get(), value); };
  set(names.SCRIPT_NAME, python::latin1(root_path_).get());
  set(names.SERVER_PROTOCOL, names.protocol_11.get());
  set(names.SERVER_SOFTWARE, python::latin1("serai/" SERAI_VERSION).get());
  set(names.wsgi_version, python::checked(Py_BuildValue("(ii)", 1, 0)).get());
  set(names.wsgi_url_scheme, names.http.get());
  set(names.wsgi_errors, python::attribute(python::import("sys").get(), "stderr").get());
  set(names.wsgi_multithread, options.threads > 1 ? Py_True : Py_False);
  set(names.wsgi_multiprocess, options.multiprocess ? Py_True : Py_False);
  set(names.wsgi_run_once, Py_False);
  set(names.wsgi_input_terminated, Py_True);
  set(names.wsgi_file_wrapper, file_wrapper);
  set(python::interned("wsgi.early_hints"), make_early_hints().get());
  // The other keys are there, too: a copy that only changes values neither grows nor hashes anew. REMOTE_PORT comes and
  // goes, which leaves room for the client's headers.
  for (const python::Ref* key : {&names.REQUEST_METHOD, &names.PATH_INFO, &names.QUERY_STRING, &names.RAW_URI,
                                 &names.REQUEST_URI, &names.SERVER_NAME, &names.SERVER_PORT, &names.REMOTE_ADDR,
                                 &names.wsgi_input, &names.REMOTE_PORT, &names.CONTENT_LENGTH})
    set(*key, Py_None);
  for (const python::Ref* key : {&names.REMOTE_PORT, &names.CONTENT_LENGTH})
    python::checked(PyDict_DelItem(base_.get(), key->get()));
}

python::Ref EnvironBuilder::build(const Stream& stream, PyObject* input, std::optional<std::uint64_t> body_size) const {
  const Names& names = state_.names;
  const http::RequestHead& head = stream.head();
  python::Ref environ = python::checked(PyDict_Copy(base_.get()));
  PyObject* dict = environ.get();
  python::set_item(dict, names.REQUEST_METHOD.get(), method(head).get());
  if (stream.is_encrypted()) python::set_item(dict, names.wsgi_url_scheme.get(), names.https.get());
  if (stream.protocol() == Protocol::http2)
    python::set_item(dict, names.SERVER_PROTOCOL.get(), names.protocol_20.get());
  else if (head.minor_version == 0)
    python::set_item(dict, names.SERVER_PROTOCOL.get(), names.protocol_10.get());
  add_target(head, dict);
  add_peers(stream, dict);
  add_headers(head, dict);
  if (stream.is_trusted()) apply_forwarded(stream, dict);
  if (body_size) {
    python::set_item(dict, names.CONTENT_LENGTH.get(), python::latin1(std::to_string(*body_size)).get());
  }
  python::set_item(dict, names.wsgi_input.get(), input);
  return environ;
}

void EnvironBuilder::add_target(const http::RequestHead& head, PyObject* environ) const {
  const Names& names = state_.names;
  std::string_view path = head.path;
  if (!root_path_.empty() && path.starts_with(root_path_) &&
      (path.size() == root_path_.size() || path[root_path_.size()] == '/')) {
    path.remove_prefix(root_path_.size());
  }
  python::Ref target = python::latin1(head.target);
  bool plain = path.find('%') == std::string_view::npos;
  python::Ref info = !plain                ? python::latin1(percent_decode(path))
                     : path == head.target ? target.share()
                                           : python::latin1(path);
  python::set_item(environ, names.PATH_INFO.get(), info.get());
  python::set_item(environ, names.QUERY_STRING.get(),
                   head.query.empty() ? names.empty.get() : python::latin1(head.query).get());
  python::set_item(environ, names.RAW_URI.get(), target.get());
  python::set_item(environ, names.REQUEST_URI.get(), target.get());
}

const EnvironBuilder::Local& EnvironBuilder::local(const std::shared_ptr<const Peer>& peer) const {
  for (const Local& local : locals_)
    if (local.peer == peer) return local;
  // A Unix socket has no name that a client could use; PEP 3333 wants SERVER_NAME and SERVER_PORT all the same.
  locals_.push_back({peer, python::latin1(peer->is_unix ? "localhost" : peer->host),
                     python::latin1(peer->is_unix ? "80" : std::to_string(peer->port))});
  return locals_.back();
}

void EnvironBuilder::add_peers(const Stream& stream, PyObject* environ) const {
  const Names& names = state_.names;
  const Local& server = local(stream.local());
  python::set_item(environ, names.SERVER_NAME.get(), server.name.get());
  python::set_item(environ, names.SERVER_PORT.get(), server.port.get());
  const Peer& client = stream.client();
  python::set_item(environ, names.REMOTE_ADDR.get(), host_text(client.host));
  if (client.is_unix) return;
  python::set_item(environ, names.REMOTE_PORT.get(), python::latin1(std::to_string(client.port)).get());
}

// Behind a proxy, all clients have the same address.
PyObject* EnvironBuilder::host_text(const std::string& host) const {
  if (!last_host_text_.is_set() || last_host_ != host) {
    last_host_text_ = python::latin1(host);
    last_host_ = host;
  }
  return last_host_text_.get();
}

void EnvironBuilder::add_headers(const http::RequestHead& head, PyObject* environ) const {
  for (const http::Header& header : head.headers) {
    if (is_left_out(header)) continue;
    python::Ref key = key_of(header);
    python::Ref value = seen_values_.of(header, python::latin1);
    Py_ssize_t keys_before = PyDict_Size(environ);
    PyObject* first = PyDict_SetDefault(environ, key.get(), value.get());
    if (!first) python::rethrow();
    if (PyDict_Size(environ) > keys_before) continue;
    // RFC 9110 section 5.3; cookies are joined as RFC 6265 section 4.2.1 writes them.
    const char* format = header.id == http::HeaderId::cookie ? "%U; %U" : "%U,%U";
    python::Ref joined = python::checked(PyUnicode_FromFormat(format, first, value.get()));
    python::set_item(environ, key.get(), joined.get());
  }
}

python::Ref EnvironBuilder::key_of(const http::Header& header) const {
  if (header.id != http::HeaderId::other) return keys_[static_cast<std::size_t>(header.id)].share();
  return python::latin1(cgi_name(header.name));
}

python::Ref EnvironBuilder::method(const http::RequestHead& head) const {
  if (head.method == http::Method::other) return python::latin1(head.method_name);
  return methods_[static_cast<std::size_t>(head.method)].share();
}

// The peer is a proxy of ours: its word counts for the client's address and scheme.
void EnvironBuilder::apply_forwarded(const Stream& stream, PyObject* environ) const {
  const Names& names = state_.names;
  const http::Header* proto = stream.head().find(http::HeaderId::x_forwarded_proto);
  if (proto && proto->value == "https") python::set_item(environ, names.wsgi_url_scheme.get(), names.https.get());
  std::string_view client = stream.forwarded_client();
  if (!client.empty()) python::set_item(environ, names.REMOTE_ADDR.get(), python::latin1(client).get());
}

}  // namespace worker::wsgi
