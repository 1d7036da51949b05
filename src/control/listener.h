// control::Listener: accepts peers on a Unix socket, by their credentials, and opens a Channel for each.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "net/loop.h"

namespace control {

class Listener final : net::Pollable {
 public:
  // Gets the connected socket of a peer whose uid is allowed; opens a Channel or drops it.
  using OnPeer = std::function<void(base::Fd socket, uid_t uid)>;

  // uid 0 and this process's own uid are always allowed; others are closed at once and logged. The file's mode is 0600,
  // or 0666 where others are allowed too: the credentials decide, not the mode. A stale socket file is replaced; a live
  // one is a conflict.
  static base::Result<std::unique_ptr<Listener>> listen(net::Loop& loop, const std::string& path,
                                                        std::vector<uid_t> also_allowed, OnPeer on_peer);
  // The same on a socket that listens already.
  static base::Result<std::unique_ptr<Listener>> open(net::Loop& loop, base::Fd listening,
                                                      std::vector<uid_t> also_allowed, OnPeer on_peer);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

 private:
  Listener(net::Loop& loop, base::Fd socket, std::vector<uid_t> also_allowed, OnPeer on_peer);
  void on_ready(std::uint32_t epoll_events) override;
  bool is_allowed(uid_t uid) const;

  net::Loop& loop_;
  base::Fd socket_;
  std::vector<uid_t> also_allowed_;
  OnPeer on_peer_;
};

}  // namespace control
