#include "worker/asgi/exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/memory.h"
#include "python/convert.h"
#include "worker/asgi/handler.h"
#include "worker/asgi/types.h"

namespace worker::asgi {
namespace {

// Request body kept for an application that does not receive.
constexpr std::size_t body_high_water = 64 * 1024;
// From here on a body is handed to the kernel where it lies instead of being copied.
constexpr std::size_t large_body = 16 * 1024;
// What one task may do in one turn of the loop without a real suspension.
constexpr unsigned budget_count = 64;
constexpr std::size_t budget_bytes = 256 * 1024;
constexpr auto budget_time = std::chrono::milliseconds(1);
// Pieces of a response that follow each other faster than this go to the kernel together.
constexpr auto gathering_time = std::chrono::microseconds(250);

PyObject* find(PyObject* message, const python::Ref& key) {
  PyObject* value = PyDict_GetItemWithError(message, key.get());
  if (!value && PyErr_Occurred()) python::rethrow();
  return value;
}

// `value`: of a message's optional entry.
bool is_true(PyObject* value) {
  int truth = value ? PyObject_IsTrue(value) : 0;
  python::checked(truth);
  return truth != 0;
}

bool equals(PyObject* text, const python::Ref& name) {
  if (text == name.get()) return true;
  return PyUnicode_Check(text) && PyUnicode_Compare(text, name.get()) == 0;
}

std::string_view require_bytes(PyObject* object, const char* what) {
  if (PyBytes_Check(object)) return python::view_of_bytes(object);
  python::raise(PyExc_TypeError, std::string(what) + " must be bytes, not " + Py_TYPE(object)->tp_name);
}

bool is_text(PyObject* object, const char* text) {
  return PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, text) == 0;
}

template <typename Take>
void for_each_field(PyObject* headers, Take take) {
  python::Ref list = python::checked(PySequence_Fast(headers, "headers must be an iterable of pairs"));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); i++) {
    python::Ref pair = python::checked(
        PySequence_Fast(PySequence_Fast_GET_ITEM(list.get(), i), "each header must be a pair of bytes"));
    if (PySequence_Fast_GET_SIZE(pair.get()) != 2) {
      python::raise(PyExc_ValueError, "each header must be a pair of bytes");
    }
    take(require_bytes(PySequence_Fast_GET_ITEM(pair.get(), 0), "a header name"),
         require_bytes(PySequence_Fast_GET_ITEM(pair.get(), 1), "a header value"));
  }
}

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

// Our own exception, or what Starlette makes of it.
bool tells_of_disconnect(PyObject* exception, const python::Ref& client_disconnected) {
  if (PyErr_GivenExceptionMatches(exception, client_disconnected.get())) return true;
  python::Ref before = python::Ref::steal(PyException_GetContext(exception));
  return before.is_set() && PyErr_GivenExceptionMatches(before.get(), client_disconnected.get()) &&
         std::string_view(Py_TYPE(exception)->tp_name) == "ClientDisconnect";
}

}  // namespace

// --- loop thread, no GIL --------------------------------------------------------------------------------------------

void Exchange::queue() {
  if (is_queued) return;
  is_queued = true;
  handler_.queue(shared_from_this());
}

Appetite Exchange::on_body(std::string_view bytes) {
  body_.append(bytes);
  queue();
  return body_.size() >= body_high_water ? Appetite::full : Appetite::more;
}

void Exchange::on_request_end() {
  request_ended_ = true;
  queue();
}

void Exchange::on_client_finished() {
  client_finished_ = true;
  queue();
}

void Exchange::on_drained() { queue(); }

void Exchange::on_lost() {
  lost_ = true;
  stream_ = nullptr;
  queue();
}

// --- with the GIL ---------------------------------------------------------------------------------------------------

void Exchange::run() {
  is_queued = false;
  if (started_) return wake();
  started_ = true;
  if (stream_) start();
}

void Exchange::start() {
  python::Ref scope = handler_.scopes().build(*stream_, handler_.lifespan_state());
  client_takes_trailers_ = takes_trailers(stream_->head());
  stream_->head_used();
  python::Ref receive = make_receive(handler_.state(), shared_from_this());
  python::Ref send = make_send(handler_.state(), shared_from_this());
  handler_.exchange_started(shared_from_this());
  python::Ref task = handler_.start(scope.get(), receive.get(), send.get());
  if (!task.is_set()) return fail_unfinished();  // the callable raised before there was a coroutine; logged
  const Names& names = handler_.state().names;
  if (python::call_method(task.get(), names.done.get()).get() == Py_True) return on_task_done(task.get());
  python::Ref done = make_done_callback(handler_.state(), shared_from_this());
  python::call_method(task.get(), names.add_done_callback.get(), done.get());
  task_ = std::move(task);
}

void Exchange::wake() {
  auto wake_all = [this](std::vector<python::Ref>& waiters) {
    const Names& names = handler_.state().names;
    std::vector<python::Ref> woken;
    woken.swap(waiters);
    for (python::Ref& future : woken) {
      if (python::call_method(future.get(), names.done.get()).get() == Py_True) continue;
      python::call_method(future.get(), names.set_result.get(), Py_None);
    }
  };
  bool something =
      !body_.empty() || lost_ || client_finished_ || response_complete_ || (request_ended_ && !request_delivered_);
  if (something && !receive_waiters_.empty()) wake_all(receive_waiters_);
  if (!is_congested() && !send_waiters_.empty()) wake_all(send_waiters_);
}

void Exchange::check_thread() const {
  if (handler_.is_loop_thread()) return;
  python::raise(PyExc_RuntimeError,
                "receive() and send() belong to the event loop's thread; use asyncio.run_coroutine_threadsafe");
}

bool Exchange::spend_budget() {
  if (turn_ != handler_.turn()) {
    turn_ = handler_.turn();
    spent_count_ = 0;
    spent_bytes_ = 0;
  }
  spent_count_++;
  if (spent_count_ >= budget_count || spent_bytes_ >= budget_bytes) return true;
  return spent_count_ % 8 == 0 && net::Clock::now() - handler_.turn_began() >= budget_time;
}

python::Ref Exchange::add_waiter(std::vector<python::Ref>& waiters) {
  // An application that polls receive() with a time-out would pile up cancelled ones.
  const Names& names = handler_.state().names;
  std::erase_if(waiters, [&](const python::Ref& future) {
    return python::call_method(future.get(), names.done.get()).get() == Py_True;
  });
  python::Ref future = python::call_method(handler_.loop(), names.create_future.get());
  waiters.push_back(future.share());
  return future;
}

python::Ref Exchange::wait_to_receive() { return add_waiter(receive_waiters_); }
python::Ref Exchange::wait_to_send() { return add_waiter(send_waiters_); }

// --- receive --------------------------------------------------------------------------------------------------------

std::optional<python::Ref> Exchange::try_receive() {
  check_thread();
  const Names& names = handler_.state().names;
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

python::Ref Exchange::request_message() {
  const Names& names = handler_.state().names;
  python::Ref message = python::checked(PyDict_New());
  python::set_item(message.get(), names.type.get(), names.http_request.get());
  python::set_item(message.get(), names.body.get(), python::bytes(body_).get());
  python::set_item(message.get(), names.more_body.get(), request_ended_ ? Py_False : Py_True);
  spent_bytes_ += body_.size();
  base::give_back(body_, body_high_water);
  request_delivered_ = request_ended_;
  if (!request_ended_) stream_->resume_body();
  return message;
}

// --- send -----------------------------------------------------------------------------------------------------------

Progress Exchange::send(PyObject* message) {
  check_thread();
  if (!PyDict_Check(message)) python::raise(PyExc_TypeError, "send() takes a dict");
  const Names& names = handler_.state().names;
  PyObject* type = find(message, names.type);
  if (!type) python::raise(PyExc_ValueError, "the message has no 'type'");
  if (response_complete_) {
    if (!client_takes_trailers_ && is_text(type, "http.response.trailers")) return Progress::done;
    python::raise(PyExc_RuntimeError, "send() was called after the response was complete");
  }
  if (lost_ || !stream_) {
    python::raise(handler_.state().client_disconnected.get(), "the client has disconnected");
  }
  if (equals(type, names.http_response_body)) return send_body(message);
  if (equals(type, names.http_response_start)) {
    begin_response(message);
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
  const char* text = PyUnicode_Check(type) ? PyUnicode_AsUTF8(type) : nullptr;
  python::raise(PyExc_RuntimeError,
                std::string("send() got a message of unexpected type '") + (text ? text : "?") + "'");
}

void Exchange::begin_response(PyObject* message) {
  if (response_begun_) python::raise(PyExc_RuntimeError, "http.response.start was sent twice");
  const Names& names = handler_.state().names;
  PyObject* status = find(message, names.status);
  if (!status) python::raise(PyExc_ValueError, "http.response.start has no 'status'");
  long code = PyLong_AsLong(status);
  if (code == -1 && PyErr_Occurred()) python::rethrow();
  if (code < 200 || code > 999)
    python::raise(PyExc_ValueError, "status " + std::to_string(code) + " is not 200 to 999");
  if (auto done = stream_->start(static_cast<int>(code)); !done) refuse(done.error());
  if (PyObject* headers = find(message, names.headers)) {
    for_each_field(headers, [this](std::string_view name, std::string_view value) {
      if (auto done = stream_->field(name, value); !done) refuse(done.error());
    });
  }
  trailers_follow_ = client_takes_trailers_ && is_true(find(message, names.trailers));
  response_begun_ = true;
}

// Extension http.response.early_hint: 103 with Link fields (RFC 8297).
void Exchange::send_early_hint(PyObject* message) {
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
void Exchange::refuse(const base::Error& error) { python::raise(PyExc_RuntimeError, error.describe()); }

void Exchange::finish_head(std::optional<std::uint64_t> length) {
  if (stream_->head_is_finished()) return;
  if (auto done = stream_->finish_head(length); !done) refuse(done.error());
}

Progress Exchange::send_body(PyObject* message) {
  if (!response_begun_) python::raise(PyExc_RuntimeError, "http.response.body was sent before http.response.start");
  if (body_complete_) python::raise(PyExc_RuntimeError, "http.response.body was sent after the body's end");
  const Names& names = handler_.state().names;
  bool more_follows = is_true(find(message, names.more_body));
  PyObject* body = find(message, names.body);
  std::optional<python::Buffer> buffer;
  std::string_view bytes;
  if (body && PyBytes_Check(body)) {
    bytes = python::view_of_bytes(body);
  } else if (body) {
    buffer.emplace(body);
    bytes = buffer->view();
  }
  bool is_empty_answer_to_head = bytes.empty() && stream_->head().method == http::Method::head;
  bool whole = !more_follows && !is_empty_answer_to_head && !trailers_follow_;
  finish_head(whole ? std::optional<std::uint64_t>(bytes.size()) : std::nullopt);
  write_body(bytes);
  return end_message(more_follows);
}

Progress Exchange::end_message(bool more_follows) {
  body_complete_ = !more_follows;
  if (body_complete_ && !trailers_follow_) {
    complete_response();
    return Progress::done;
  }
  if (stream_) send_piece();
  return is_congested() ? Progress::wait : Progress::done;
}

// A piece of a stream goes at once; in a tight loop only the first one does, and the others when the time is over or
// the turn ends, whichever comes first.
void Exchange::send_piece() {
  auto now = net::Clock::now();
  if (now - last_sent_ < gathering_time && !is_congested()) return stream_->send_later();
  last_sent_ = now;
  stream_->send_now();
}

void Exchange::write_body(std::string_view bytes) {
  spent_bytes_ += bytes.size();
  if (bytes.size() < large_body) {
    if (auto done = stream_->body(bytes); !done) refuse(done.error());
    return;
  }
  auto begun = stream_->begin_bytes(bytes.size());
  if (!begun) refuse(begun.error());
  if (!*begun) return;
  stream_->send_now(bytes);
  if (stream_) stream_->end_bytes();
}

void Exchange::complete_response() {
  if (!stream_) return;  // lost while writing; nobody is left to tell
  if (auto done = stream_->end(); !done) refuse(done.error());
  response_complete_ = true;
  std::exchange(stream_, nullptr)->finish_response();
  if (!receive_waiters_.empty()) queue();
}

// Extension http.response.pathsend: the file is the whole body.
Progress Exchange::send_path(PyObject* message) {
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
Progress Exchange::send_descriptor(PyObject* message) {
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
  bool more_follows = is_true(find(message, handler_.state().names.more_body));
  finish_head(more_follows || trailers_follow_ ? std::nullopt : std::optional(count));
  append_file(std::move(*file), offset, count);
  if (!given_offset) ::lseek(descriptor, static_cast<off_t>(offset + count), SEEK_SET);
  return end_message(more_follows);
}

void Exchange::append_file(base::Fd file, std::uint64_t offset, std::uint64_t size) {
  auto begun = stream_->begin_bytes(size);
  if (!begun) refuse(begun.error());
  if (!*begun) return;
  stream_->append_file(std::make_shared<const base::Fd>(std::move(file)), offset, size);
  stream_->end_bytes();
}

// Extension http.response.trailers. A client that has not said that it takes them gets the response without.
void Exchange::send_trailers(PyObject* message) {
  if (!trailers_follow_) python::raise(PyExc_RuntimeError, "http.response.start did not announce trailers");
  if (!body_complete_) python::raise(PyExc_RuntimeError, "http.response.trailers was sent before the body's end");
  const Names& names = handler_.state().names;
  PyObject* headers = find(message, names.headers);
  bool more_follow = is_true(PyDict_GetItemString(message, "more_trailers"));
  if (headers) {
    for_each_field(headers, [this](std::string_view name, std::string_view value) {
      if (auto done = stream_->trailer(name, value); !done) refuse(done.error());
    });
  }
  if (!more_follow) complete_response();
}

// --- the end --------------------------------------------------------------------------------------------------------

void Exchange::on_task_done(PyObject* task) {
  const Names& names = handler_.state().names;
  auto self = shared_from_this();
  task_.clear();
  handler_.exchange_done(*this);
  if (python::call_method(task, names.cancelled.get()).get() == Py_True) return fail_unfinished();
  python::Ref exception = python::call_method(task, names.exception.get());
  if (exception.get() != Py_None) {
    if (!lost_ || !tells_of_disconnect(exception.get(), handler_.state().client_disconnected))
      handler_.log_error("Exception in ASGI application", exception.get());
  } else if (stream_) {
    handler_.log_error(response_begun_ ? "ASGI application returned without completing its response"
                                       : "ASGI application returned without starting a response",
                       Py_None);
  }
  fail_unfinished();
}

void Exchange::fail_unfinished() {
  handler_.exchange_done(*this);
  if (!stream_) return;
  Stream* stream = std::exchange(stream_, nullptr);
  response_complete_ = true;
  if (stream->head_is_finished()) return stream->abort_response();
  stream->respond(500, "Internal Server Error");
}

}  // namespace worker::asgi
