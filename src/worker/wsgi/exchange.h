// wsgi::Exchange: one request under WSGI (PEP 3333): its buffered body, then the call of the application and the
// sending of what it returns, all on one thread, to which the stream is lent meanwhile.
//
// While the thread is in the application, others may touch the stream: where requests have a time limit, the loop's
// thread takes it back (`revoke`), and of an answer that gathers, the courier sends what waits. The thread therefore
// has the custody of its stream whenever it is not there, and asks after each call of the application what has become
// of it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "http/spooled_body.h"
#include "python/ref.h"
#include "worker/exchange.h"
#include "worker/places.h"
#include "worker/stream.h"
#include "worker/time_limit.h"
#include "worker/wsgi/courier.h"

namespace worker::wsgi {

class Handler;

// How the response ended, for whoever takes the stream back; `revoked`: somebody has, and the exchange has nothing
// left.
enum class Ending { complete, aborted, internal_error, revoked };

// A thread that stays in the application though its request is over. Touched with the GIL only.
struct Overstay {
  unsigned long thread = 0;  // as Python names it
  std::string request_line;
  bool is_over = false;  // it is back
};

class Exchange final : public worker::Exchange, public TimeLimit::Subject, public Courier::Sender {
 public:
  Exchange(Handler& handler, Stream& stream);

  Appetite on_body(std::string_view bytes) override;
  void on_request_end() override;
  void on_client_finished() override {}
  void on_drained() override {}
  void on_lost() override;
  void on_overdue() override;
  // Takes the stream away from a thread that is in the application; null where it is not.
  std::shared_ptr<Overstay> revoke();
  bool is_revoked() const { return overstay_ != nullptr; }  // for the thread that runs it
  // --- courier's thread, no GIL
  std::optional<net::Clock::time_point> send_due(net::Clock::time_point now) override;

  // --- on the thread that runs the application, with the GIL

  // Calls the application and sends its answer. KeyboardInterrupt and SystemExit leave as python::Raised.
  Ending run();
  // What start_response and the `write` it returns do.
  void start_response(PyObject* status, PyObject* headers, PyObject* exc_info);
  void write(PyObject* bytes);
  void send_early_hints(PyObject* headers);
  // What the calling thread runs; null: nothing.
  static Exchange* current();
  Stream& stream() { return stream_; }
  // For when a client that is gone makes no difference; the stream finds out later.
  void send_what_is_there();
  // Something waits for the blocks that follow; the courier knows.
  bool gathers() const { return due_ != never; }

  std::size_t position = no_position;  // among those that the handler keeps while they are read
  bool is_entrusted = false;           // to the team: whoever replaces this thread as leader sends the answer

  // --- for the handler, where the queue is limited
  net::Clock::time_point came;  // when the request was whole
  bool waits = false;

 private:
  void call_application();
  void send_result(PyObject* result);
  void send_sequence(PyObject* sequence);
  void send_iterator(PyObject* iterable);
  bool send_file(PyObject* wrapper);
  void finish_head(std::optional<std::uint64_t> length);
  void append(PyObject* chunk);
  void pass_on();
  void transmit();
  bool gather(net::Clock::time_point due);
  void stop_gathering();
  void wait_for_client();
  void send_some();
  // `is_settled`: the whole answer is in the output.
  void close_result(PyObject* result, bool is_settled);
  bool is_body_complete() const { return declared_ && written_ >= *declared_; }
  python::Ref make_input();
  Ending on_exception();
  template <typename Call>
  auto in_application(Call&& call);
  template <typename Call>
  void for_application(Call&& call);
  class Outside;
  class Visit;
  class End;

  static constexpr auto never = net::Clock::time_point::max();

  Handler& handler_;
  Stream& stream_;
  http::SpooledBody body_;
  std::optional<std::uint64_t> declared_;  // Content-Length that the application gave
  std::uint64_t written_ = 0;
  bool started_ = false;  // start_response was called
  bool head_sent_ = false;
  bool too_long_ = false;     // more than declared; told once
  bool is_enlisted_ = false;  // the courier may look at this
  net::Clock::time_point last_block_;
  std::mutex custody_;  // of the stream and what follows, while the thread is in the application
  bool in_application_ = false;
  bool is_settled_ = false;             // the answer is whole: nobody takes it away
  bool is_client_gone_ = false;         // the courier or `write` has found out
  net::Clock::time_point due_ = never;  // to be sent, of what was gathered
  unsigned long thread_ = 0;
  std::shared_ptr<Overstay> overstay_;  // under custody: set when the stream was taken away
};

}  // namespace worker::wsgi
