#include "worker/wsgi/exchange.h"

#include <unistd.h>

#include <charconv>

#include "python/convert.h"
#include "python/gil.h"
#include "worker/object_keeper.h"
#include "worker/server.h"
#include "worker/wsgi/handler.h"
#include "worker/wsgi/types.h"

namespace worker::wsgi {
namespace {

// From here on a chunk is handed to the kernel where it lies instead of being copied.
constexpr std::size_t large_chunk = 16 * 1024;
// Response bytes kept in memory for a slow client; the rest goes to a file.
constexpr std::size_t response_memory = 1 << 20;
// A block that would make it more than this is sent with what was gathered before it.
constexpr std::uint64_t enough_gathered = 64 * 1024;
// After so long the courier tries again to send what a slow client has not taken.
constexpr auto next_try = std::chrono::milliseconds(10);
// A thread that waits for a slow client says so often that it is alive.
constexpr auto longest_silence = std::chrono::milliseconds(250);

std::string_view latin1_view(PyObject* text, const char* what) {
  if (!PyUnicode_Check(text)) {
    python::raise(PyExc_TypeError, std::string(what) + " must be a str, not " + Py_TYPE(text)->tp_name);
  }
#if PY_VERSION_HEX < 0x030C0000
  python::checked(PyUnicode_READY(text));
#endif
  if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
    python::raise(PyExc_ValueError, std::string(what) + " has characters that Latin-1 does not have (PEP 3333)");
  }
  return {static_cast<const char*>(PyUnicode_DATA(text)), static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))};
}

std::pair<std::string_view, std::string_view> field_of(PyObject* pair) {
  if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
    python::raise(PyExc_TypeError, "each header must be a tuple of two str");
  }
  return {latin1_view(PyTuple_GET_ITEM(pair, 0), "a header name"),
          latin1_view(PyTuple_GET_ITEM(pair, 1), "a header value")};
}

// PEP 3333, "Other HTTP Features": these belong to the server.
bool is_hop_by_hop(std::string_view name) {
  if (name.empty()) return false;
  switch (name.front() | 0x20) {
    case 'c':
      return name.size() == 10 && http::equal_ignoring_case(name, "connection");
    case 'k':
      return http::equal_ignoring_case(name, "keep-alive");
    case 'p':
      return http::equal_ignoring_case(name, "proxy-connection");
    case 't':
      return http::equal_ignoring_case(name, "te") || http::equal_ignoring_case(name, "trailer") ||
             http::equal_ignoring_case(name, "transfer-encoding");
    case 'u':
      return http::equal_ignoring_case(name, "upgrade");
    default:
      return false;
  }
}

int parse_status(std::string_view status) {
  int code = 0;
  auto [end, error] = std::from_chars(status.data(), status.data() + std::min<std::size_t>(status.size(), 3), code);
  bool whole = error == std::errc() && end == status.data() + 3 && (status.size() == 3 || status[3] == ' ');
  if (!whole || code < 200) {
    python::raise(PyExc_ValueError, "status '" + std::string(status) + "' is not like '200 OK'");
  }
  return code;
}

struct ClientGone {};
struct Revoked {};

// What this thread runs. wsgi.early_hints finds its request by it and so costs nothing where nobody calls it.
thread_local Exchange* current_exchange = nullptr;

class Running {
 public:
  explicit Running(Exchange& exchange) : before_(std::exchange(current_exchange, &exchange)) {}
  ~Running() { current_exchange = before_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Exchange* before_;
};

void check(const base::Result<void>& done) {
  if (!done) python::raise(PyExc_RuntimeError, done.error().describe());
}

// The application may keep start_response and write() for longer than the request lives.
struct Forgetting {
  PyObject* start_response;
  ~Forgetting() { forget_exchange(start_response); }
};

}  // namespace

Exchange::Exchange(Handler& handler, Stream& stream)
    : handler_(handler),
      stream_(stream),
      body_({.memory_bytes = 256 * 1024, .limit_bytes = UINT64_MAX, .folder = handler.temporary_folder()}) {}

// --- loop thread, no GIL --------------------------------------------------------------------------------------------

Appetite Exchange::on_body(std::string_view bytes) {
  if (body_.append(bytes)) return Appetite::more;
  // The disk is full. The stream forgets this exchange with the answer, so the handler must, too.
  auto self = handler_.take(*this);
  stream_.respond(500, "Internal Server Error");
  return Appetite::full;
}

void Exchange::on_request_end() { handler_.queue(*this); }

void Exchange::on_lost() { auto self = handler_.take(*this); }

void Exchange::on_overdue() { handler_.on_overdue(*this); }

std::shared_ptr<Overstay> Exchange::revoke() {
  std::lock_guard held(custody_);
  if (!in_application_ || is_settled_) return nullptr;
  const http::RequestHead& head = stream_.head();
  overstay_ = std::make_shared<Overstay>();
  overstay_->thread = thread_;
  overstay_->request_line = std::string(head.method_name) + " " + std::string(head.target);
  return overstay_;
}

// --- courier's thread, no GIL ---------------------------------------------------------------------------------------

std::optional<net::Clock::time_point> Exchange::send_due(net::Clock::time_point now) {
  std::unique_lock held(custody_, std::try_to_lock);
  if (!held || !in_application_) return now;  // its thread has it
  if (overstay_ || due_ == never) return std::nullopt;
  if (now < due_) return due_;
  is_client_gone_ = !stream_.send_borrowed();
  due_ = !is_client_gone_ && stream_.pending() > 0 ? now + next_try : never;
  return due_ == never ? std::nullopt : std::optional(due_);
}

// --- the application ------------------------------------------------------------------------------------------------

// The thread is in the application: others may have its stream.
class Exchange::Outside {
 public:
  explicit Outside(Exchange& exchange) : exchange_(exchange) {
    if (exchange.handler_.time_limit() || exchange.gathers()) move(true);
  }
  ~Outside() {
    if (exchange_.handler_.fork_guard().is_child()) ForkGuard::leave();
    if (exchange_.in_application_) move(false);
  }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  void move(bool outside) {
    auto held = python::lock_with_gil(exchange_.custody_);
    exchange_.in_application_ = outside;
  }
  Exchange& exchange_;
};

// Runs a piece of the application's code. The thread may find that its request is over meanwhile.
template <typename Call>
auto Exchange::in_application(Call&& call) {
  decltype(call()) result;
  {
    Outside outside(*this);
    result = call();
  }
  if (overstay_) {
    PyErr_Clear();
    throw Revoked();
  }
  return result;
}

// What the application calls back. Has the stream for so long.
class Exchange::Visit {
 public:
  explicit Visit(Exchange& exchange) : exchange_(exchange) {
    if (exchange.handler_.fork_guard().is_child()) ForkGuard::leave();
    if (!exchange.in_application_) return;
    {
      auto held = python::lock_with_gil(exchange.custody_);
      if (!exchange.overstay_) exchange.in_application_ = false;
    }
    was_outside_ = true;
    if (exchange.overstay_) python::raise(exchange.handler_.state().request_timed_out.get(), "the request is over");
  }
  ~Visit() {
    if (!was_outside_ && !exchange_.gathers()) return;
    auto held = python::lock_with_gil(exchange_.custody_);
    exchange_.in_application_ = true;
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Exchange& exchange_;
  bool was_outside_ = false;
};

// Nobody comes back to this request: neither the courier nor what interrupts a thread, which is not meant for its next
// one.
class Exchange::End {
 public:
  explicit End(Exchange& exchange) : exchange_(exchange) {}
  ~End() {
    exchange_.stop_gathering();
    if (!exchange_.overstay_) return;
    exchange_.overstay_->is_over = true;
    PyThreadState_SetAsyncExc(exchange_.overstay_->thread, nullptr);
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

 private:
  Exchange& exchange_;
};

Ending Exchange::run() {
  Running running(*this);
  End at_end(*this);
  thread_ = PyThread_get_thread_ident();
  stream_.spool_beyond(response_memory);
  try {
    // The answer to the request before this one, when both came together, must not wait for this one.
    if (stream_.pending() > 0) transmit();
    call_application();
    return Ending::complete;
  } catch (const python::Raised&) {
    if (python::ends_program()) throw;
    return on_exception();
  } catch (const ClientGone&) {
    return Ending::aborted;
  } catch (const Revoked&) {
    return Ending::revoked;
  }
}

Ending Exchange::on_exception() {
  python::Ref exception = python::take_exception();
  if (overstay_) return Ending::revoked;  // told already
  if (is_client_gone_ && PyErr_GivenExceptionMatches(exception.get(), handler_.state().client_disconnected.get())) {
    return Ending::aborted;
  }
  handler_.log_error("Exception in WSGI application", exception.get());
  if (gathers()) send_what_is_there();
  return head_sent_ ? Ending::aborted : Ending::internal_error;
}

void Exchange::call_application() {
  std::optional<std::uint64_t> size;
  if (stream_.head().framing == http::Framing::chunked) size = body_.size();
  python::Ref input = make_input();
  python::Ref environ = handler_.environs().build(stream_, input.get(), size);
  python::Ref start = make_start_response(handler_.state(), *this);
  Forgetting at_end{start.get()};
  python::Ref result;
  try {
    result = in_application([&] { return python::call(handler_.app(), environ.get(), start.get()); });
    send_result(result.get());
  } catch (...) {
    // PEP 3333: close() is called however the request ends.
    python::Ref pending = PyErr_Occurred() ? python::take_exception() : python::Ref();
    if (result.is_set()) close_result(result.get(), false);
    if (pending.is_set()) python::restore_exception(std::move(pending));
    throw;
  }
  close_result(result.get(), true);
}

python::Ref Exchange::make_input() {
  if (!body_.is_in_file()) {
    if (body_.size() == 0) return python::call(handler_.bytes_io());
    python::Ref bytes = python::bytes(body_.memory());
    body_.clear();  // one copy is enough
    return python::call(handler_.bytes_io(), bytes.get());
  }
  if (auto done = body_.complete(); !done) python::raise(PyExc_OSError, done.error().describe());
  auto copy = base::dup(body_.file());
  if (!copy) python::raise(PyExc_OSError, copy.error().describe());
  ::lseek(copy->get(), 0, SEEK_SET);
  python::Ref number = python::integer(copy->get());
  python::Ref input = python::call(handler_.open_input(), number.get());
  (void)copy->release();
  return input;
}

void Exchange::send_result(PyObject* result) {
  if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
    send_sequence(result);
  } else if (!handler_.is_file_wrapper(result) || !send_file(result)) {
    send_iterator(result);
  }
  if (!started_) python::raise(PyExc_RuntimeError, "the application did not call start_response");
  finish_head(declared_ ? std::nullopt : std::optional<std::uint64_t>(0));
  check(stream_.end());
}

// A list or tuple is the whole body, so its pieces need not be sent one by one.
void Exchange::send_sequence(PyObject* sequence) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
  std::uint64_t total = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject* chunk = PySequence_Fast_GET_ITEM(sequence, i);
    if (!PyBytes_Check(chunk)) {
      python::raise(PyExc_TypeError, std::string("the body must be of bytes, not ") + Py_TYPE(chunk)->tp_name);
    }
    total += static_cast<std::uint64_t>(PyBytes_GET_SIZE(chunk));
  }
  if (started_ && total > 0 && !declared_) finish_head(total);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
    python::Ref chunk = python::Ref::borrow(PySequence_Fast_GET_ITEM(sequence, i));  // the list is the application's
    append(chunk.get());
  }
}

// PEP 3333, "Buffering and Streaming": a block is on its way before the next one is asked for, if only with the
// courier. The last one of a known length may go with the other answers of this turn.
void Exchange::send_iterator(PyObject* iterable) {
  python::Ref iterator = python::checked(PyObject_GetIter(iterable));
  Py_ssize_t length_hint = PyObject_HasAttrString(iterable, "__len__") ? PyObject_Size(iterable) : -1;
  if (length_hint < 0) PyErr_Clear();
  last_block_ = net::Clock::now();
  while (true) {
    python::Ref chunk = in_application([&] { return python::Ref::steal(PyIter_Next(iterator.get())); });
    if (!chunk.is_set()) break;
    if (length_hint == 1 && started_ && !declared_ && PyBytes_Check(chunk.get())) {
      finish_head(static_cast<std::uint64_t>(PyBytes_GET_SIZE(chunk.get())));
    }
    append(chunk.get());
    if (!is_body_complete() && length_hint != 1) pass_on();
  }
  if (PyErr_Occurred()) python::rethrow();
}

void Exchange::append(PyObject* chunk) {
  if (!PyBytes_Check(chunk)) {
    python::raise(PyExc_TypeError, std::string("the body must be of bytes, not ") + Py_TYPE(chunk)->tp_name);
  }
  std::string_view bytes = python::view_of_bytes(chunk);
  if (bytes.empty()) return;
  if (!started_) python::raise(PyExc_RuntimeError, "the body begins before start_response was called");
  finish_head(std::nullopt);
  if (declared_ && bytes.size() > *declared_ - written_) {
    bytes = bytes.substr(0, *declared_ - written_);
    if (!std::exchange(too_long_, true)) {
      handler_.log_error("WSGI application sent more than its Content-Length; the rest is dropped", Py_None);
    }
    if (bytes.empty()) return;
  }
  written_ += bytes.size();
  if (bytes.size() < large_chunk || stream_.pending() >= response_memory) {
    check(stream_.body(bytes));
    if (stream_.pending() >= response_memory) send_some();
    return;
  }
  auto begun = stream_.begin_bytes(bytes.size());
  if (!begun) python::raise(PyExc_RuntimeError, begun.error().describe());
  if (!*begun) return;
  ObjectKeeper keeper(chunk);
  bool alive;
  {
    python::GilRelease released;
    alive = stream_.send_borrowed(bytes, &keeper);
  }
  if (!alive) throw ClientGone();
  stream_.end_bytes();
}

void Exchange::send_some() {
  python::GilRelease released;
  if (!stream_.send_borrowed()) throw ClientGone();
}

// A block that took long is sent at once. Those that come fast wait for each other, not for long, and with the courier
// so that they need not wait for the application.
void Exchange::pass_on() {
  if (is_client_gone_) throw ClientGone();
  const auto now = net::Clock::now();
  const bool came_fast = now - std::exchange(last_block_, now) < Courier::interval;
  const bool is_time = !came_fast || now >= due_ || stream_.pending() >= enough_gathered;
  if (!is_time && gather(now + Courier::interval)) return;
  transmit();
  if (stream_.pending() > 0) gather(now + next_try);
}

// False: there is no courier.
bool Exchange::gather(net::Clock::time_point due) {
  if (gathers()) return true;
  if (!handler_.courier().enlist(*this, due)) return false;
  due_ = due;
  is_enlisted_ = true;
  return true;
}

void Exchange::stop_gathering() {
  due_ = never;
  if (std::exchange(is_enlisted_, false)) handler_.courier().forget(*this);
}

// Sends what the client takes now. A client slower than its response gets the rest from memory or disk; only beyond the
// spool's limit does the thread wait.
void Exchange::transmit() {
  due_ = never;
  send_some();
  const std::uint64_t most = handler_.options().max_response_spool;
  if (stream_.pending() <= most) return;
  stop_gathering();
  python::GilRelease released;
  while (stream_.pending() > most) wait_for_client();
}

// The thread is not in the application meanwhile, so this is no time in which the worker hangs.
void Exchange::wait_for_client() {
  const auto give_up = net::Clock::now() + handler_.options().write_timeout;
  while (true) {
    handler_.note_back_from_application();
    switch (stream_.wait_borrowed(longest_silence)) {
      case Waited::some_taken:
        return;
      case Waited::too_long:
        if (net::Clock::now() < give_up) break;
        [[fallthrough]];
      case Waited::client_gone:
        throw ClientGone();
    }
  }
}

void Exchange::send_what_is_there() {
  if (stream_.pending() == 0) return;
  python::GilRelease released;
  (void)stream_.send_borrowed();
}

void Exchange::finish_head(std::optional<std::uint64_t> length) {
  if (head_sent_) return;
  bool is_head = stream_.head().method == http::Method::head;
  if (is_head && length == 0) length = std::nullopt;
  check(stream_.finish_head(length));
  head_sent_ = true;
}

// What it raises is logged only: the answer is settled, and so is the exception of a request that failed.
void Exchange::close_result(PyObject* result, bool is_settled) {
  if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) return;
  try {
    python::Ref close = python::Ref::steal(PyObject_GetAttr(result, handler_.state().names.close.get()));
    if (close.is_set()) {
      if (is_settled) {
        is_settled_ = true;
        handler_.send_before_close(*this);
        Outside outside(*this);
        handler_.call_close(close.get());  // as long as it likes: nobody waits for it
      } else {
        in_application([&] { return handler_.call_close(close.get()); });
      }
    } else {
      if (!PyErr_ExceptionMatches(PyExc_AttributeError)) python::rethrow();
      PyErr_Clear();
    }
  } catch (const python::Raised&) {
    if (python::ends_program()) throw;
    python::Ref exception = python::take_exception();
    if (overstay_) return;
    handler_.log_error("Exception in close() of what a WSGI application returned", exception.get());
  }
}

bool Exchange::send_file(PyObject* wrapper) {
  python::Ref place = python::call(handler_.file_place(), wrapper);  // None, or (descriptor, offset, size)
  if (place.get() == Py_None || !started_ || head_sent_) return false;
  int fd = -1;
  unsigned long long offset = 0, size = 0;
  if (!PyArg_ParseTuple(place.get(), "iKK", &fd, &offset, &size)) python::rethrow();
  std::uint64_t length = declared_ ? std::min<std::uint64_t>(*declared_, size) : size;
  auto file = base::dup(fd);
  if (!file) return false;
  finish_head(length);
  auto begun = stream_.begin_bytes(length);
  if (!begun) python::raise(PyExc_RuntimeError, begun.error().describe());
  written_ = length;
  if (!*begun) return true;
  stream_.append_file(std::make_shared<const base::Fd>(std::move(*file)), offset, length);
  stream_.end_bytes();
  transmit();
  return true;
}

// The application called: it gets a Python exception when the client is gone.
template <typename Call>
void Exchange::for_application(Call&& call) {
  try {
    call();
  } catch (const ClientGone&) {
    is_client_gone_ = true;
    python::raise(handler_.state().client_disconnected.get(), "the client has disconnected");
  }
}

// --- start_response -------------------------------------------------------------------------------------------------

void Exchange::start_response(PyObject* status, PyObject* headers, PyObject* exc_info) {
  Visit visit(*this);
  if (exc_info != Py_None && head_sent_) {
    // Too late for another answer: PEP 3333 wants the exception raised again.
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3 ||
        !PyExceptionInstance_Check(PyTuple_GET_ITEM(exc_info, 1))) {
      python::raise(PyExc_TypeError, "exc_info must be what sys.exc_info() gives while an exception is handled");
    }
    python::restore_exception(python::Ref::borrow(PyTuple_GET_ITEM(exc_info, 1)));
    python::rethrow();
  }
  if (exc_info == Py_None && started_) python::raise(PyExc_RuntimeError, "start_response was called twice");
  std::string_view line = latin1_view(status, "the status");
  int code = parse_status(line);
  if (!PyList_Check(headers)) python::raise(PyExc_TypeError, "headers must be a list of tuples");
  declared_.reset();
  started_ = false;
  auto refuse = [](const base::Error& error) { python::raise(PyExc_ValueError, error.describe()); };
  std::string_view reason = line.substr(std::min<std::size_t>(line.size(), 4));
  if (auto done = stream_.start(code, reason); !done) refuse(done.error());
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
    auto [name, value] = field_of(PyList_GET_ITEM(headers, i));
    if (is_hop_by_hop(name)) [[unlikely]]
      handler_.complain_of_hop_by_hop(name);
    if (auto done = stream_.field(name, value); !done) refuse(done.error());
    if (http::equal_ignoring_case(name, "content-length")) {
      std::uint64_t length = 0;
      std::from_chars(value.data(), value.data() + value.size(), length);
      declared_ = length;
    }
  }
  started_ = true;
}

// wsgi.early_hints, as gunicorn has it: 103 with these fields, at once.
void Exchange::send_early_hints(PyObject* headers) {
  Visit visit(*this);
  python::Ref list = python::checked(PySequence_Fast(headers, "early hints must be an iterable of tuples"));
  std::vector<http::Header> fields;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); i++) {
    auto [name, value] = field_of(PySequence_Fast_GET_ITEM(list.get(), i));
    fields.push_back({name, value, http::find_header_id(name)});
  }
  check(stream_.inform(103, fields));
  for_application([&] { send_some(); });
}

Exchange* Exchange::current() { return current_exchange; }

void Exchange::write(PyObject* bytes) {
  Visit visit(*this);
  for_application([&] {
    append(bytes);
    pass_on();
  });
}

}  // namespace worker::wsgi
