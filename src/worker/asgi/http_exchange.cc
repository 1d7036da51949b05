#include "worker/asgi/http_exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/memory.h"
#include "worker/asgi/handler.h"
#include "worker/asgi/message.h"

namespace worker::asgi {
namespace {

// Request body kept for an application that does not receive.
constexpr std::size_t body_high_water = 64 * 1024;

void require_plain_file(const struct stat& status, const char* message) {
  if (S_ISREG(status.st_mode)) return;
  python::raise(PyExc_ValueError, std::string(message) + " sends plain files only, no folders, pipes or devices");
}

// A size of a file, where the message has it.
std::optional<std::uint64_t> find_size(PyObject* message, const char* key) {
  PyObject* value = PyDict_GetItemString(message, key);
  if (!value || value == Py_None) return std::nullopt;
  long long number = PyLong_AsLongLong(value);
  if (number == -1 && PyErr_Occurred()) python::rethrow();
  if (number < 0) python::raise(PyExc_ValueError, std::string(key) + " is negative");
  return static_cast<std::uint64_t>(number);
}

// TE: trailers (RFC 9110 section 10.1.4).
bool takes_trailers(const http::RequestHead& head) {
  const http::Header* te = head.find(http::HeaderId::te);
  bool takes = false;
  if (te) http::for_each_token(te->value, [&](auto token) { takes |= http::equal_ignoring_case(token, "trailers"); });
  return takes;
}

}  // namespace

// --- loop thread, no GIL --------------------------------------------------------------------------------------------

Appetite HttpExchange::on_body(std::string_view bytes) {
  body_.append(bytes);
  queue();
  return body_.size() >= body_high_water ? Appetite::full : Appetite::more;
}

void HttpExchange::on_request_end() {
  request_ended_ = true;
  queue();
}

void HttpExchange::on_client_finished() {
  client_finished_ = true;
  queue();
}

// --- with the GIL ---------------------------------------------------------------------------------------------------

python::Ref HttpExchange::make_scope() {
  client_takes_trailers_ = takes_trailers(stream_->head());
  if (handler().measures()) handler().counters().observe(Histogram::waiting, net::Clock::now() - came);
  watch_time();
  return handler().scopes().of_request(*stream_, handler().lifespan_state());
}

bool HttpExchange::has_news() const {
  return !body_.empty() || lost_ || client_finished_ || response_complete_ || (request_ended_ && !request_delivered_);
}

std::optional<python::Ref> HttpExchange::try_receive() {
  check_thread();
  const Names& names = handler().state().names;
  bool gone = lost_ || response_complete_;
  if (!gone && !request_delivered_) {
    if (!body_.empty() || request_ended_) return request_message();
    stream_->want_body();
    gone = lost_;
  } else if (!gone && client_finished_) {
    gone = true;
  }
  if (!gone) return std::nullopt;
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.http_disconnect.get());
  return message;
}

python::Ref HttpExchange::request_message() {
  const Names& names = handler().state().names;
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.http_request.get());
  python::set_item(message.get(), names.body.get(), python::bytes(body_).get());
  python::set_item(message.get(), names.more_body.get(), request_ended_ ? Py_False : Py_True);
  spend_bytes(body_.size());
  base::give_back(body_, body_high_water);
  request_delivered_ = request_ended_;
  if (!request_ended_) stream_->resume_body();
  return message;
}

Progress HttpExchange::send_message(PyObject* type, PyObject* message) {
  const Names& names = handler().state().names;
  if (response_complete_) {
    if (!client_takes_trailers_ && is_text(type, "http.response.trailers")) return Progress::done;
    python::raise(PyExc_RuntimeError, "send() was called after the response was complete");
  }
  if (!stream_) raise_disconnected();
  if (equals(type, names.http_response_body)) return send_body(message);
  if (equals(type, names.http_response_start)) {
    begin_response(message);
    trailers_follow_ = client_takes_trailers_ && is_true(find(message, names.trailers));
    return Progress::done;
  }
  if (equals(type, names.http_response_pathsend)) return send_path(message);
  if (is_text(type, "http.response.zerocopysend")) return send_descriptor(message);
  if (is_text(type, "http.response.trailers")) {
    send_trailers(message);
    return Progress::done;
  }
  if (is_text(type, "http.response.early_hint")) {
    send_early_hint(message);
    return Progress::done;
  }
  reject_type(type);
}

// Extension http.response.early_hint: 103 with Link fields (RFC 8297).
void HttpExchange::send_early_hint(PyObject* message) {
  if (response_begun_) {
    python::raise(PyExc_RuntimeError, "http.response.early_hint was sent after http.response.start");
  }
  PyObject* links = PyDict_GetItemString(message, "links");
  if (!links) python::raise(PyExc_ValueError, "http.response.early_hint has no 'links'");
  python::Ref list = python::checked(PySequence_Fast(links, "links must be an iterable of bytes"));
  std::vector<http::Header> fields;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); i++) {
    std::string_view value = require_bytes(PySequence_Fast_GET_ITEM(list.get(), i), "a link");
    fields.push_back({"link", value, http::find_header_id("link")});
  }
  if (auto done = stream_->inform(103, fields); !done) refuse(done.error());
  stream_->send_now();
}

// Extension http.response.pathsend: the file is the whole body.
Progress HttpExchange::send_path(PyObject* message) {
  if (!response_begun_ || stream_->head_is_finished()) {
    python::raise(PyExc_RuntimeError, "http.response.pathsend must follow http.response.start at once");
  }
  PyObject* path = PyDict_GetItemString(message, "path");
  if (!path) python::raise(PyExc_ValueError, "http.response.pathsend has no 'path'");
  PyObject* encoded = nullptr;
  if (!PyUnicode_FSConverter(path, &encoded)) python::rethrow();
  python::Ref name = python::Ref::steal(encoded);
  base::Fd file(::open(PyBytes_AS_STRING(name.get()), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO would block
  struct stat status{};
  if (!file.is_open() || ::fstat(file.get(), &status) < 0) {
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    python::rethrow();
  }
  require_plain_file(status, "http.response.pathsend");
  auto size = static_cast<std::uint64_t>(status.st_size);
  finish_head(trailers_follow_ ? std::nullopt : std::optional(size));
  append_file(std::move(file), 0, size);
  return end_message(false);
}

// Extension http.response.zerocopysend: a part of an open file is a piece of the body. Without an offset it is read
// from where its descriptor stands, which moves on. The descriptor stays the application's.
Progress HttpExchange::send_descriptor(PyObject* message) {
  if (!response_begun_ || body_complete_) {
    python::raise(PyExc_RuntimeError,
                  "http.response.zerocopysend belongs between http.response.start and the body's end");
  }
  PyObject* object = PyDict_GetItemString(message, "file");
  if (!object) python::raise(PyExc_ValueError, "http.response.zerocopysend has no 'file'");
  int descriptor = PyObject_AsFileDescriptor(object);
  python::checked(descriptor);
  struct stat status{};
  auto file = base::dup(descriptor);
  if (!file) python::raise(PyExc_OSError, file.error().describe());
  python::checked(::fstat(descriptor, &status));
  require_plain_file(status, "http.response.zerocopysend");
  auto given_offset = find_size(message, "offset"), given_count = find_size(message, "count");
  std::uint64_t offset = given_offset.value_or(static_cast<std::uint64_t>(::lseek(descriptor, 0, SEEK_CUR)));
  auto size = static_cast<std::uint64_t>(status.st_size);
  std::uint64_t left = offset < size ? size - offset : 0;
  std::uint64_t count = std::min(left, given_count.value_or(left));
  bool more_follows = is_true(find(message, handler().state().names.more_body));
  finish_head(more_follows || trailers_follow_ ? std::nullopt : std::optional(count));
  append_file(std::move(*file), offset, count);
  if (!given_offset) ::lseek(descriptor, static_cast<off_t>(offset + count), SEEK_SET);
  return end_message(more_follows);
}

void HttpExchange::append_file(base::Fd file, std::uint64_t offset, std::uint64_t size) {
  auto begun = stream_->begin_bytes(size);
  if (!begun) refuse(begun.error());
  if (!*begun) return;
  stream_->append_file(std::make_shared<const base::Fd>(std::move(file)), offset, size);
  stream_->end_bytes();
}

// Extension http.response.trailers. A client that has not said that it takes them gets the response without.
void HttpExchange::send_trailers(PyObject* message) {
  if (!trailers_follow_) python::raise(PyExc_RuntimeError, "http.response.start did not announce trailers");
  if (!body_complete_) python::raise(PyExc_RuntimeError, "http.response.trailers was sent before the body's end");
  const Names& names = handler().state().names;
  PyObject* headers = find(message, names.headers);
  bool more_follow = is_true(PyDict_GetItemString(message, "more_trailers"));
  if (headers) {
    for_each_header(headers, [this](std::string_view name, std::string_view value) {
      if (auto done = stream_->trailer(name, value); !done) refuse(done.error());
    });
  }
  if (!more_follow) complete_response();
}

void HttpExchange::on_return() {
  handler().log_error(response_begun_ ? "ASGI application returned without completing its response"
                                      : "ASGI application returned without starting a response",
                      Py_None);
  fail_response();
}

}  // namespace worker::asgi
