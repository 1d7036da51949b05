// wsgi::Courier: sends what streamed answers have gathered while their own threads are in the application.
//
// PEP 3333 ("Buffering and Streaming") lets a server ask for the next block of a body as soon as it is sure to go on
// transmitting the ones before while the application makes it. This thread is what makes that sure: blocks that come
// fast are gathered and leave together, and none waits for the application for longer than half a millisecond.
//
// It runs without the GIL, and only while answers gather. While they do it looks at them every 250 µs, so that most
// answers begin and end between two looks without waking anybody.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "net/loop.h"

namespace worker::wsgi {

class Courier {
 public:
  // An answer that gathers.
  class Sender {
   public:
    // On the courier's thread: sends what is due. Gives the time at which to look again; none: forget it.
    virtual std::optional<net::Clock::time_point> send_due(net::Clock::time_point now) = 0;

   protected:
    ~Sender() = default;

   private:
    friend class Courier;
    static constexpr std::size_t nowhere = SIZE_MAX;
    std::size_t position_ = nowhere;
  };

  static constexpr auto interval = std::chrono::microseconds(250);

  Courier() = default;
  ~Courier() { end(); }
  // Nothing is sent any more. Without the GIL. Idempotent.
  void end();

  // --- for threads with the GIL, which they give up if they have to wait

  // Looks at the sender soon after `due`, until it is forgotten. False: there is no thread for this.
  bool enlist(Sender& sender, net::Clock::time_point due);
  // It is not looked at any more, nor at this moment. Idempotent.
  void forget(Sender& sender);

 private:
  bool start();
  void work();
  void look();
  void remove(Sender& sender);

  std::mutex mutex_;  // held while senders send
  std::condition_variable changed_;
  std::vector<Sender*> senders_;
  net::Clock::time_point wakes_at_ = net::Clock::time_point::max();
  bool is_busy_ = false;  // somebody has come since the last look
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace worker::wsgi
