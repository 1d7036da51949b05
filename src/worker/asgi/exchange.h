// asgi::Exchange: one request under ASGI (asgiref specs/www.rst, HTTP connection scope), from head to the end of its
// task. `receive` and `send` of the application end here.
//
//   queued ──► started (task) ──► response begun ──► body complete ──► (trailers ──►) response complete ──► task done
//
// The response is complete with its last byte; the task may go on after that (background tasks). Shared by the handler,
// while its task runs, and by the Receive and Send objects, which the application may keep longer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "python/ref.h"
#include "worker/exchange.h"
#include "worker/stream.h"

namespace worker::asgi {

class Handler;

// How an await goes on.
enum class Progress { done, wait };

class Exchange final : public worker::Exchange, public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<Handler> handler, Stream& stream)
      : owner_(std::move(handler)), handler_(*owner_), stream_(&stream) {}

  Appetite on_body(std::string_view bytes) override;
  void on_request_end() override;
  void on_client_finished() override;
  void on_drained() override;
  void on_lost() override;

  // --- with the GIL
  // --------------------------------------------------------------------------------------------------- Starts the
  // application, or wakes what waits for the events that have come.
  void run();
  // The next message, or empty: wait.
  std::optional<python::Ref> try_receive();
  // Takes a message; `wait` until the client has taken enough of what was sent.
  Progress send(PyObject* message);
  // A future that is done when it is worth trying again.
  python::Ref wait_to_receive();
  python::Ref wait_to_send();
  bool is_congested() const { return stream_ && stream_->is_congested(); }
  // Counts one await that completed at once; true when this task has had enough of this turn.
  bool spend_budget();
  void on_task_done(PyObject* task);
  // No more comes from the application: a 500 where nothing was sent yet, otherwise the response breaks off.
  void fail_unfinished();

  bool is_queued = false;  // in the handler's queue

 private:
  void start();
  void wake();
  void queue();
  void begin_response(PyObject* message);
  void send_early_hint(PyObject* message);
  Progress send_body(PyObject* message);
  Progress send_path(PyObject* message);
  Progress send_descriptor(PyObject* message);
  void append_file(base::Fd file, std::uint64_t offset, std::uint64_t size);
  Progress end_message(bool more_follows);
  void send_trailers(PyObject* message);
  void finish_head(std::optional<std::uint64_t> length);
  void write_body(std::string_view bytes);
  void send_piece();
  void complete_response();
  void refuse(const base::Error& error);
  python::Ref request_message();
  python::Ref add_waiter(std::vector<python::Ref>& waiters);
  void check_thread() const;

  std::shared_ptr<Handler> owner_;  // applications may keep `send` for longer than the server lives
  Handler& handler_;
  Stream* stream_;  // null once the response is complete or the client lost
  python::Ref task_;
  std::vector<python::Ref> receive_waiters_, send_waiters_;
  std::string body_;                  // request body not received by the application yet
  net::Clock::time_point last_sent_;  // a piece of a stream
  std::uint64_t turn_ = 0;
  unsigned spent_count_ = 0;
  std::size_t spent_bytes_ = 0;
  bool started_ = false;
  bool request_ended_ = false, request_delivered_ = false;
  bool client_finished_ = false, lost_ = false;
  bool response_begun_ = false, body_complete_ = false, response_complete_ = false;
  bool client_takes_trailers_ = false;
  bool trailers_follow_ = false;  // the client takes them, and the application has announced some
};

}  // namespace worker::asgi
