// control_plane::api::Server: accepts on ROOT/api.sock, by peer credentials, and serves each connection on its own
// thread.
//
// A thread per connection, because the API is local and slow by nature: a deploy is watched for minutes, a log is
// followed for hours, a command runs as long as it runs. Linear code is worth more here than connections by the
// thousand; their number is bounded. A connection carries one request.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "control/listener.h"
#include "daemon/api/router.h"
#include "net/loop.h"

namespace control_plane::api {

class Server {
 public:
  // uid 0, this process's uid and `also_allowed` may connect.
  static Result<std::unique_ptr<Server>> listen(net::Loop& loop, const std::filesystem::path& socket,
                                                std::vector<uid_t> also_allowed, const Router& router);
  // Ends every exchange and waits for their threads.
  ~Server();

 private:
  explicit Server(const Router& router) : router_(router) {}
  void accept(base::Fd socket, uid_t uid);
  void serve(Exchange& exchange);
  void reap();

  struct Connection {
    std::unique_ptr<Exchange> exchange;
    std::atomic<bool> ended = false;
    std::thread thread;
  };
  const Router& router_;
  std::unique_ptr<control::Listener> listener_;
  std::list<Connection> connections_;  // of the loop's thread
};

}  // namespace control_plane::api
