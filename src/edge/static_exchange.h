// edge::StaticExchange: one request answered with a file, without the app: sent by the kernel from the page cache, as
// fast as the client takes it.
#pragma once

#include <memory>

#include "edge/client_connection.h"
#include "http/static_folder.h"

namespace edge {

class StaticExchange final : public Exchange {
 public:
  // Null when no folder of the app holds such a file: the request is the app's.
  static std::unique_ptr<StaticExchange> find(ClientConnection& client, const App& app, const http::RequestHead& head);

  void begin();

  bool wants_body() const override { return true; }  // a GET with a body: read and dropped
  void on_body(std::string_view) override {}
  void on_body_end() override {}
  void on_drained() override { send(); }
  void on_cut() override { answer_.file.close(); }
  void on_sweep(net::Clock::time_point) override {}

 private:
  StaticExchange(ClientConnection& client, http::StaticAnswer answer) : client_(client), answer_(std::move(answer)) {}
  bool write_head();
  void send();
  void end();

  ClientConnection& client_;
  http::StaticAnswer answer_;
  std::uint64_t left_ = 0;  // of the file, still to be sent
};

}  // namespace edge
