// h2::Connection: a client that speaks HTTP/2. Moves bytes between its socket and the codec (http/h2/server_codec.h),
// and events from the codec to its streams, each of which has an exchange of its own. Owned by worker::Server.
//
//   serving ──(GOAWAY, last stream, broken protocol, end of input)──► closing (send the rest) ──► lingering ──► closed
//
// It reads whatever comes, since window updates and resets must get through; how much that can be is bounded by the
// codec's windows and flood limits. It takes frames from the codec only as fast as the client reads them; a stream's
// bytes that the client does not take stay in the codec, which tells when few enough are left.
//
// While one of its streams is lent to a thread, that thread may write frames and read the socket, too: both sides hold
// the lock then. Events that the thread comes upon are kept for the loop. A closed connection outlives its lent
// streams.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/h2/server_codec.h"
#include "http/input_buffer.h"
#include "worker/client.h"
#include "worker/h2/stream.h"
#include "worker/keeper.h"
#include "worker/output.h"
#include "worker/stream.h"

namespace worker {
class Server;
}

namespace worker::h2 {

class Connection final : public Client {
 public:
  Connection(Server& server, net::Transport transport, Ends ends);
  ~Connection();

  // --- Client
  void open(std::string_view received) override;
  void on_ready(std::uint32_t epoll_events) override;
  void at_end_of_turn() override;
  net::Clock::time_point deadline() const override;
  void on_time(net::Clock::time_point now) override;
  bool is_idle() const override;
  void on_drain() override;
  void close() override;

  // --- for streams
  using Lock = std::unique_lock<std::recursive_mutex>;
  // For the loop's thread: holds the lock if some thread has borrowed a stream.
  Lock lock() { return lent_count_ > 0 ? Lock(mutex_) : Lock(); }
  Lock lock_borrowed() { return Lock(mutex_); }
  Server& server() { return server_; }
  http::h2::ServerCodec& codec() { return codec_; }
  const Ends& ends() const { return ends_; }
  void send_later();
  void send_now();
  // More of a stream's body. What cannot be sent at once is copied, or kept where there is a keeper and it is much.
  // Whoever lends streams must give no keeper: it takes the GIL, for which another thread may wait with the lock held.
  void send_now(http::StreamId stream, std::string_view bytes, const Keeper* keeper);
  // The stream is over for its exchange; it may be used for another request.
  void retire(Stream& stream);
  // The client has reset the stream, but the application does not know yet: the codec counts it as open until the
  // token is gone.
  std::shared_ptr<const void> keep_open(http::StreamId stream);
  void note_lent() { lent_count_++; }
  void note_returned() { lent_count_--; }
  // Under the lock, from a borrowing thread: sends what can be sent, and if `is_stuck` reads what may allow more to be
  // sent. False when the client is gone.
  bool transfer_borrowed(bool is_stuck);
  int descriptor() const { return transport_.descriptor(); }
  bool has_output() const { return !output_.is_empty(); }

 private:
  enum class State : std::uint8_t { serving, closing, lingering, closed };
  // What the connection as a whole waits for, with `read_deadline_`.
  enum class Awaiting : std::uint8_t { nothing, head, pause, request, goodbye, end };
  using Event = http::h2::Event;
  // Of which a borrowing thread has read; views would not live until the loop looks at it.
  struct KeptEvent {
    Event event;
    std::string body;
  };
  // Streams whose applications have come to an end after the client had reset them; from any thread.
  struct Abandoned {
    std::mutex mutex;
    std::vector<http::StreamId> streams;
  };

  void advance();
  enum class Got { nothing, some, end };
  Got receive();
  void take_events();
  void handle(const Event& event);
  void begin_stream(const Event& event);
  Stream& add_stream(http::StreamId id);
  Stream* find_stream(http::StreamId id) const;
  void flush();
  Sent write_out(std::uint64_t& bytes_sent);
  void after_write(Sent sent, std::uint64_t bytes_sent);
  void note_progress(Sent sent, std::uint64_t bytes_sent);
  void release_abandoned();
  void lose_streams();
  void begin_closing();
  void linger();
  void drop_input();
  void discard_if_alone();
  bool owes() const;
  void choose_deadline();
  void await(Awaiting what, net::nanoseconds most);

  Server& server_;
  net::Transport transport_;
  const Ends ends_;
  http::h2::ServerCodec codec_;
  http::InputBuffer input_;
  Output output_;  // frames, in memory only
  std::vector<std::unique_ptr<Stream>> streams_, spare_;
  std::vector<KeptEvent> kept_events_;
  std::shared_ptr<Abandoned> abandoned_;
  std::recursive_mutex mutex_;
  std::size_t lent_count_ = 0;  // the loop's
  net::Clock::time_point read_deadline_ = net::Clock::time_point::max();
  net::Clock::time_point write_deadline_ = net::Clock::time_point::max();
  std::uint64_t content_written_ = 0;  // when the write deadline was set
  std::uint64_t dropped_ = 0;          // while lingering
  State state_ = State::serving;
  Awaiting awaiting_ = Awaiting::nothing;
  bool readable_ = false;  // there may be bytes in the socket
  bool hung_up_ = false;   // the client's FIN was seen: read to the end
  bool input_ended_ = false;
  bool taking_events_ = false;
  bool draining_ = false;
  bool discarded_ = false;
};

}  // namespace worker::h2
