// front::StaticExchange: one request that a file answers, without the application and without Python. Loop thread.
#pragma once

#include "http/static_folder.h"
#include "worker/exchange.h"
#include "worker/stream.h"

namespace worker::front {

class Front;

class StaticExchange final : public Exchange {
 public:
  StaticExchange(Front& front, Stream& stream, http::StaticAnswer answer)
      : front_(front), stream_(stream), answer_(std::move(answer)) {}

  Appetite on_body(std::string_view) override { return Appetite::more; }  // nobody wants it
  void on_request_end() override {}
  void on_client_finished() override {}
  void on_drained() override {}
  void on_lost() override;

  // The stream is not to be touched afterwards.
  void answer();

 private:
  bool write_head();

  Front& front_;
  Stream& stream_;
  http::StaticAnswer answer_;
};

}  // namespace worker::front
