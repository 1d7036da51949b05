#include "worker/asgi/exchange.h"

#include <chrono>

#include "python/convert.h"
#include "worker/asgi/handler.h"
#include "worker/asgi/message.h"
#include "worker/asgi/types.h"
#include "worker/object_keeper.h"

namespace worker::asgi {
namespace {

// From here on a body is handed to the kernel where it lies instead of being copied.
constexpr std::size_t large_body = 16 * 1024;
// What one task may do in one turn of the loop without a real suspension.
constexpr unsigned budget_count = 64;
constexpr std::size_t budget_bytes = 256 * 1024;
constexpr auto budget_time = std::chrono::milliseconds(1);
// Pieces of a response that follow each other faster than this go to the kernel together.
constexpr auto gathering_time = std::chrono::microseconds(250);

// Our own exception, or what Starlette makes of it: ClientDisconnect, WebSocketDisconnect.
bool tells_of_disconnect(PyObject* exception, const python::Ref& client_disconnected) {
  if (PyErr_GivenExceptionMatches(exception, client_disconnected.get())) return true;
  python::Ref before = python::Ref::steal(PyException_GetContext(exception));
  return before.is_set() && PyErr_GivenExceptionMatches(before.get(), client_disconnected.get()) &&
         std::string_view(Py_TYPE(exception)->tp_name).ends_with("Disconnect");
}

}  // namespace

// --- loop thread, no GIL --------------------------------------------------------------------------------------------

void Exchange::queue() {
  if (is_queued) return;
  is_queued = true;
  handler_.queue(shared_from_this());
}

void Exchange::on_lost() {
  auto self = shared_from_this();  // the queue of those that wait may be its only owner
  if (place == Place::waiting) handler_.forget_waiting(*this);
  lost_ = true;
  leave_stream();
  queue();
}

void Exchange::on_overdue() {
  if (place == Place::waiting) return handler_.turn_away_waiting(*this);
  if (handler_.is_answered_for()) {
    block_is_logged_ = true;
    answer_overdue();
    handler_.log_blocked_later(request_line_);
  }
  overdue_ = true;
  queue();
}

// What happens behind the response, in background tasks, has no limit.
Stream* Exchange::leave_stream() {
  if (TimeLimit* limit = handler_.time_limit()) limit->forget(*this);
  return std::exchange(stream_, nullptr);
}

Stream& Exchange::forgo() {
  started_ = response_complete_ = task_done_ = true;
  return *leave_stream();
}

// --- with the GIL ---------------------------------------------------------------------------------------------------

void Exchange::run() {
  is_queued = false;
  if (!std::exchange(started_, true)) start();
  if (overdue_) time_out();
  settle();
  wake();
  stay_or_leave();
}

void Exchange::start() {
  python::Ref scope;
  if (stream_) {
    Handler::Inside inside(handler_);
    scope = make_scope();
  }
  task_done_ = !scope.is_set();
  if (task_done_) return;  // the client has gone, or it was answered without the application
  if (stream_) stream_->head_used();
  python::Ref receive = make_receive(handler_.state(), shared_from_this());
  python::Ref send = make_send(handler_.state(), shared_from_this());
  python::Ref task = handler_.start(scope.get(), receive.get(), send.get());
  if (!task.is_set()) return fail();  // the callable raised before there was a coroutine; logged
  const Names& names = handler_.state().names;
  if (python::call_method(task.get(), names.done.get()).get() == Py_True) return on_task_done(task.get());
  python::Ref done = make_done_callback(handler_.state(), shared_from_this());
  python::call_method(task.get(), names.add_done_callback.get(), done.get());
  task_ = std::move(task);
}

void Exchange::watch_time() {
  TimeLimit* limit = handler_.time_limit();
  if (!limit) return;
  const http::RequestHead& head = stream_->head();
  request_line_ = std::string(head.method_name) + " " + std::string(head.target);
  limit->watch(*this);
}

void Exchange::time_out() {
  overdue_ = false;
  if (stream_) answer_overdue();
  using Log = Handler::Log;
  if (timed_out_) handler_.interrupt(task_.get(), request_line_, block_is_logged_ ? Log::no : Log::yes);
}

void Exchange::answer_overdue() {
  handler_.counters().add(Counter::timed_out);
  Stream* stream = leave_stream();
  lost_ = timed_out_ = true;
  if (stream->head_is_finished())
    stream->abort_response();
  else
    stream->respond(504, "Gateway Timeout");
}

void Exchange::wake() {
  State& state = handler_.state();
  Wake how = handler_.may_step() ? Wake::now : Wake::by_loop;
  if (!receive_waiters_.empty() && has_news()) receive_waiters_.wake_all(state, how);
  if (!send_waiters_.empty() && !is_congested()) send_waiters_.wake_all(state, how);
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

python::Ref Exchange::wait_to_receive() { return receive_waiters_.wait(handler_.state(), handler_.loop()); }
python::Ref Exchange::wait_to_send() { return send_waiters_.wait(handler_.state(), handler_.loop()); }

// --- send -----------------------------------------------------------------------------------------------------------

Progress Exchange::send(PyObject* message) {
  check_thread();
  if (!PyDict_Check(message)) python::raise(PyExc_TypeError, "send() takes a dict");
  const Names& names = handler_.state().names;
  PyObject* type = find(message, names.type);
  if (!type) python::raise(PyExc_ValueError, "the message has no 'type'");
  return send_message(type, message);
}

void Exchange::reject_type(PyObject* type) const {
  const char* text = PyUnicode_Check(type) ? PyUnicode_AsUTF8(type) : nullptr;
  python::raise(PyExc_RuntimeError,
                std::string("send() got a message of unexpected type '") + (text ? text : "?") + "'");
}

void Exchange::raise_disconnected() const {
  python::raise(handler_.state().client_disconnected.get(), "the client has disconnected");
}

// --- the HTTP response ----------------------------------------------------------------------------------------------

void Exchange::begin_response(PyObject* message) {
  if (response_begun_) python::raise(PyExc_RuntimeError, "the response was started twice");
  const Names& names = handler_.state().names;
  PyObject* status = find(message, names.status);
  if (!status) python::raise(PyExc_ValueError, "the start of the response has no 'status'");
  long code = PyLong_AsLong(status);
  if (code == -1 && PyErr_Occurred()) python::rethrow();
  if (code < 200 || code > 999)
    python::raise(PyExc_ValueError, "status " + std::to_string(code) + " is not 200 to 999");
  if (auto done = stream_->start(static_cast<int>(code)); !done) refuse(done.error());
  if (PyObject* headers = find(message, names.headers)) {
    for_each_header(headers, [this](std::string_view name, std::string_view value) {
      if (auto done = stream_->field(name, value); !done) refuse(done.error());
    });
  }
  response_begun_ = true;
}

void Exchange::refuse(const base::Error& error) { python::raise(PyExc_RuntimeError, error.describe()); }

void Exchange::finish_head(std::optional<std::uint64_t> length) {
  if (stream_->head_is_finished()) return;
  if (auto done = stream_->finish_head(length); !done) refuse(done.error());
}

Progress Exchange::send_body(PyObject* message) {
  if (!response_begun_) python::raise(PyExc_RuntimeError, "the body of a response was sent before its start");
  if (body_complete_) python::raise(PyExc_RuntimeError, "a piece of the body was sent after the body's end");
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
  write_body(bytes, buffer ? nullptr : body);
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

// `owner`: of bytes that never change; or null.
void Exchange::write_body(std::string_view bytes, PyObject* owner) {
  spent_bytes_ += bytes.size();
  if (bytes.size() < large_body) {
    if (auto done = stream_->body(bytes); !done) refuse(done.error());
    return;
  }
  auto begun = stream_->begin_bytes(bytes.size());
  if (!begun) refuse(begun.error());
  if (!*begun) return;
  ObjectKeeper keeper(owner);
  stream_->send_now(bytes, owner ? &keeper : nullptr);
  if (stream_) stream_->end_bytes();
}

void Exchange::complete_response() {
  if (!stream_) return;  // lost while writing; nobody is left to tell
  if (auto done = stream_->end(); !done) refuse(done.error());
  response_complete_ = true;
  leave_stream()->finish_response();
  if (!receive_waiters_.empty()) queue();
  handler_.response_completed();
}

void Exchange::fail_response() {
  if (!stream_) return;
  Stream* stream = leave_stream();
  response_complete_ = true;
  if (stream->head_is_finished()) return stream->abort_response();
  stream->respond(500, "Internal Server Error");
}

// --- the end --------------------------------------------------------------------------------------------------------

void Exchange::on_task_done(PyObject* task) {
  const Names& names = handler_.state().names;
  auto self = shared_from_this();
  task_.clear();
  python::Ref exception = python::Ref::steal(PyObject_CallMethodNoArgs(task, names.exception.get()));
  if (!exception.is_set()) {
    PyErr_Clear();  // CancelledError
    return fail();
  }
  if (exception.get() != Py_None) {
    if (!lost_ || !tells_of_disconnect(exception.get(), handler_.state().client_disconnected))
      handler_.log_error("Exception in ASGI application", exception.get());
    return fail();
  }
  task_done_ = true;
  if (stream_) on_return();
  stay_or_leave();
}

void Exchange::fail() {
  task_done_ = true;
  if (stream_) on_failure();
  stay_or_leave();
}

// Most requests are over after their first step, and are never kept.
void Exchange::stay_or_leave() {
  bool is_over = task_done_ && !stream_;
  if (is_over) {
    still_open.reset();  // the application may keep `send`, and with it this
    handler_.let_go(*this);
  } else if (!is_kept()) {
    handler_.keep(shared_from_this());
  }
}

}  // namespace worker::asgi
