// asgi::Exchange: one connection scope of ASGI (asgiref specs/www.rst) from its head to the end of its task: a request
// (http_exchange.h) or a WebSocket (websocket_exchange.h). What both have is here: the task, its waiting, its share of
// a turn, and the HTTP response, which denies a WebSocket. `receive` and `send` of the application end here.
//
//   queued ──► started (task) ──► … ──► stream gone and task done
//
// Shared by the handler, until then, and by the Receive and Send objects, which the application may keep longer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "python/ref.h"
#include "worker/asgi/waiter.h"
#include "worker/exchange.h"
#include "worker/places.h"
#include "worker/stream.h"
#include "worker/time_limit.h"

namespace worker::asgi {

class Handler;

// How an await goes on.
enum class Progress { done, wait };

class Exchange : public worker::Exchange, public std::enable_shared_from_this<Exchange>, public TimeLimit::Subject {
 public:
  Exchange(std::shared_ptr<Handler> handler, Stream& stream)
      : owner_(std::move(handler)), handler_(*owner_), stream_(&stream) {}

  void on_drained() override { queue(); }
  void on_lost() override;
  void on_overdue() override;

  // --- with the GIL --------------------------------------------------------------------------------------------------
  // Starts the application, or wakes what waits for the events that have come.
  void run();
  // The next message, or empty: wait.
  virtual std::optional<python::Ref> try_receive() = 0;
  // Takes a message; `wait` until the client has taken enough of what was sent.
  Progress send(PyObject* message);
  // What to yield to the task until it is worth trying again.
  python::Ref wait_to_receive();
  python::Ref wait_to_send();
  bool is_congested() const { return stream_ && stream_->is_congested(); }
  // Counts one await that completed at once; true when this task has had enough of this turn.
  bool spend_budget();
  Handler& handler() const { return handler_; }
  void on_task_done(PyObject* task);
  // No more comes from the application, for an error of its own or of ours.
  void fail();

  bool is_queued = false;              // in the handler's queue
  std::size_t position = no_position;  // among those that the handler keeps
  bool is_kept() const { return position != no_position; }

  // --- for the handler, where the number of requests is limited
  enum class Place : std::uint8_t { outside, waiting, inside, gone };
  Place place = Place::outside;  // with respect to the application
  net::Clock::time_point came;
  // A WebSocket stays for long and is not counted.
  virtual bool is_counted() const = 0;
  bool has_client() const { return stream_ != nullptr; }
  // Nobody works for it: the response is over, and the task has ended or was never begun.
  bool is_over() const { return task_done_ && !stream_; }
  // Gives up its stream for an answer without the application.
  Stream& forgo();

 protected:
  // Of a stream whose head is readable. Empty when it was answered without the application.
  virtual python::Ref make_scope() = 0;
  // Whether try_receive gives something now.
  virtual bool has_news() const = 0;
  virtual Progress send_message(PyObject* type, PyObject* message) = 0;
  // After events: what has to be done for them before the application hears of them.
  virtual void settle() {}
  // The application has come to its end, or failed, while the stream is still there.
  virtual void on_return() = 0;
  virtual void on_failure() = 0;

  void queue();
  // From now on the application's time is limited, where requests have a time limit. The head is readable.
  void watch_time();
  void check_thread() const;
  [[noreturn]] void reject_type(PyObject* type) const;
  [[noreturn]] void raise_disconnected() const;
  void spend_bytes(std::size_t count) { spent_bytes_ += count; }

  // --- the HTTP response ---------------------------------------------------------------------------------------------
  void begin_response(PyObject* message);
  Progress send_body(PyObject* message);
  void finish_head(std::optional<std::uint64_t> length);
  // After a piece of the body.
  Progress end_message(bool more_follows);
  void complete_response();
  // A 500 where nothing was sent yet, otherwise the response breaks off.
  void fail_response();
  [[noreturn]] static void refuse(const base::Error& error);

 private:
  std::shared_ptr<Handler> owner_;  // applications may keep `send` for longer than the server lives
  Handler& handler_;

 protected:
  Stream* stream_;  // null once it was let go, or the client lost
  bool response_begun_ = false, body_complete_ = false, response_complete_ = false;
  bool trailers_follow_ = false;  // behind the body
  bool lost_ = false;

 private:
  void start();
  void time_out();
  void answer_overdue();
  Stream* leave_stream();
  void wake();
  void write_body(std::string_view bytes, PyObject* owner);
  void send_piece();
  void stay_or_leave();

  python::Ref task_;
  Waiters receive_waiters_, send_waiters_;
  std::string request_line_;          // where requests have a time limit: for the log
  net::Clock::time_point last_sent_;  // a piece of a stream
  std::uint64_t turn_ = 0;
  unsigned spent_count_ = 0;
  std::size_t spent_bytes_ = 0;
  bool started_ = false, task_done_ = false, overdue_ = false;
  bool timed_out_ = false, block_is_logged_ = false;
};

}  // namespace worker::asgi
