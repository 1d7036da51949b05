// edge::StaticExchange: one request answered with a file, without the app.
#pragma once

#include <memory>

#include "edge/exchange.h"
#include "edge/stream.h"
#include "http/static_folder.h"

namespace edge {

class StaticExchange final : public Exchange {
 public:
  // Null when no folder of the app holds such a file: the request is the app's.
  static std::unique_ptr<StaticExchange> find(Stream& client, const App& app, const http::RequestHead& head);

  void begin();

  bool wants_body() const override { return true; }  // a GET with a body: read and dropped
  void on_body(std::string_view) override {}
  void on_body_end() override {}
  void on_drained() override {}
  void on_cut() override {}
  void on_sweep(net::Clock::time_point) override {}

 private:
  StaticExchange(Stream& client, http::StaticAnswer answer) : client_(client), answer_(std::move(answer)) {}

  Stream& client_;
  http::StaticAnswer answer_;
};

}  // namespace edge
