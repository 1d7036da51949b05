// wsgi::Handler: runs a WSGI application on one thread or on a team of them (team.h).
//
// Where requests or their waiting have limits, one thread is a team, too: a stand-in turns the loop while all are in
// the application, so that clients get their 504 and 503.
//
// Whoever leads turns the loop: without the GIL it sends what is due, waits, reads and parses. Requests that are whole
// are queued, their streams lent; the leader then runs them, with the GIL. Queue, loop and server are the leader's.
// A thread that was replaced as leader while it ran a request sends the answer itself and posts the stream back.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "worker/fork_guard.h"
#include "worker/places.h"
#include "worker/server.h"
#include "worker/signal_pipe.h"
#include "worker/state.h"
#include "worker/waiting_line.h"
#include "worker/wsgi/courier.h"
#include "worker/wsgi/environ.h"
#include "worker/wsgi/exchange.h"
#include "worker/wsgi/team.h"

namespace worker::wsgi {

// What python/serai/_wsgi.py brings along.
struct Helpers {
  python::Ref file_wrapper;  // the type behind wsgi.file_wrapper
  python::Ref file_place;    // (wrapper) -> None, or (descriptor, offset, size) of a real file
  python::Ref open_input;    // (descriptor) -> binary file
  python::Ref log_error;     // (message, exception)
  python::Ref log_timeout;   // (thread, the request's first line, limit in seconds)
};

class Handler final : public worker::Handler {
 public:
  // Throws python::Raised.
  Handler(State& state, PyObject* app, Options options);
  ~Handler();

  worker::Exchange* begin(Stream& stream) override;
  bool buffers_bodies() const override { return true; }
  bool takes_websockets() const override { return false; }

  void open(Helpers helpers, const std::vector<int>& sockets);
  // Signals are announced on this descriptor (signal.set_wakeup_fd).
  void watch_signals(int read_end);
  // Gets a byte when the team is dismissed.
  void tell_end_to(int write_end) { end_fd_ = write_end; }
  // Serves on this thread until the server is finished, alone or with others that do the same. With the GIL.
  void work();
  void close();

  // --- for exchanges
  void queue(Exchange& exchange);
  // Its time is over. Loop thread, without the GIL.
  void on_overdue(Exchange& exchange);
  // Null: requests may take as long as they like.
  const TimeLimit* time_limit() const { return time_limit_.get(); }
  // No longer kept here: the connection is lost, or the exchange over before its body was whole.
  std::unique_ptr<Exchange> take(Exchange& exchange);
  const ForkGuard& fork_guard() const { return fork_guard_; }
  State& state() { return state_; }
  Server& server() { return *server_; }
  const Options& options() const { return options_; }
  const Counters& counters() const { return counters_; }
  bool is_open() const { return server_ != nullptr; }
  const EnvironBuilder& environs() const { return *environs_; }
  PyObject* app() const { return app_.get(); }
  PyObject* bytes_io() const { return bytes_io_.get(); }
  PyObject* open_input() const { return helpers_.open_input.get(); }
  PyObject* file_place() const { return helpers_.file_place.get(); }
  bool is_file_wrapper(PyObject* object) const {
    return reinterpret_cast<PyObject*>(Py_TYPE(object)) == helpers_.file_wrapper.get();
  }
  const std::string& temporary_folder() const { return temporary_folder_; }
  // From a thread that runs a request: see PAGE_BUSY_SINCE in _engine.pyi.
  void note_back_from_application();
  void log_error(const char* message, PyObject* exception);
  // The application sets a header that is the server's: told once for each name. With the GIL.
  void complain_of_hop_by_hop(std::string_view name);
  // The answer is whole, but the application is still to be told by close(): sends it now or lets it wait.
  void send_before_close(Exchange& exchange);
  Courier& courier() { return courier_; }
  python::Ref call_close(PyObject* close);

 private:
  void work_alone();
  void work_in_team();
  void lead();
  void send_entrusted();
  void turn();
  void run_next_alone();
  void start_stand_in();
  void stand_in();
  void dismiss();
  void check_signals();
  void interrupt_overstays();
  void log_timeout(const Overstay& overstay);
  // Runs what is queued; whether this thread still leads.
  bool run_queue_in_team();
  // The same for the request at the front of the queue, with the GIL. The one that this thread led no longer at the end
  // of is given back.
  std::unique_ptr<Exchange> run_next_in_team(Ending& ending, std::exception_ptr& leaving);
  Ending run(Exchange& exchange, std::exception_ptr& leaving);
  void hand_back(std::unique_ptr<Exchange> exchange, Ending ending);
  void conclude(Exchange& exchange, Ending ending);
  // Null: nobody was worth to be started.
  std::unique_ptr<Exchange> take_next();
  bool needs_stand_in() const { return time_limit_ || line_; }
  bool leaves_too_late(Exchange& exchange);
  void turn_away(Exchange& exchange);
  void turn_away_waiting(Exchange& exchange);

  State& state_;
  Options options_;
  Counters counters_;
  std::unique_ptr<Server> server_;
  python::Ref app_, bytes_io_;
  Helpers helpers_;
  std::string temporary_folder_;
  std::unique_ptr<EnvironBuilder> environs_;
  Places<std::unique_ptr<Exchange>> reading_;  // their bodies are not whole yet
  std::deque<std::unique_ptr<Exchange>> queue_;
  std::set<std::string, std::less<>> complaints_;
  Team team_;
  std::unique_ptr<TimeLimit> time_limit_;
  std::unique_ptr<WaitingLine> line_;                 // where the queue is limited
  std::vector<std::shared_ptr<Overstay>> overstays_;  // to be interrupted
  std::thread stand_in_;
  Courier courier_;
  ForkGuard fork_guard_;
  std::atomic<int> slow_closes_ = 0;  // so many requests are still sent before close() is called
  std::unique_ptr<SignalPipe> signals_;
  int end_fd_ = -1;
};

}  // namespace worker::wsgi
