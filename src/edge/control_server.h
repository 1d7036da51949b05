// edge::ControlServer: what the daemon tells and asks the edge over ROOT/edge/control.sock (server.h lists it).
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "control/channel.h"
#include "control/listener.h"

namespace edge {

// What can be asked; implemented by the server.
class Controllable {
 public:
  // `secure`: which of them are for TLS; shorter than the sockets, the rest is plain.
  virtual base::Result<std::vector<std::string>> on_listen(std::vector<base::Fd> sockets,
                                                           const std::vector<bool>& secure) = 0;
  virtual base::Result<std::vector<std::string>> on_certificates(const nlohmann::json& message) = 0;
  virtual base::Result<std::uint64_t> on_routes(const nlohmann::json& message) = 0;
  virtual nlohmann::json on_counters() const = 0;
  virtual std::vector<std::string> addresses() const = 0;
  virtual std::vector<bool> are_secure() const = 0;  // in the same order
  virtual base::Result<std::vector<base::Fd>> copies_of_sockets() const = 0;
  virtual base::Result<void> on_reopen_logs() = 0;
  virtual void on_drain(std::chrono::milliseconds timeout) = 0;

 protected:
  ~Controllable() = default;
};

class ControlServer {
 public:
  static base::Result<std::unique_ptr<ControlServer>> listen(net::Loop& loop, const std::filesystem::path& path,
                                                             std::vector<uid_t> controllers, Controllable& server);
  ~ControlServer();
  // Leaves the socket file to a successor; peers stay connected.
  void stop_listening();

 private:
  ControlServer(net::Loop& loop, std::filesystem::path path, Controllable& server);
  void on_peer(base::Fd socket, uid_t uid);
  void answer(control::Channel& channel, control::Message message);
  base::Result<control::Message> carry_out(control::Message& message);
  base::Result<control::Message> drain(const nlohmann::json& body);

  net::Loop& loop_;
  std::filesystem::path path_;
  Controllable& server_;
  std::unique_ptr<control::Listener> listener_;
  std::vector<std::unique_ptr<control::Channel>> channels_;
};

}  // namespace edge
