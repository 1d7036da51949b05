// front::Front: what stands before the application: static folders, and filters on what it answers. A handler in front
// of the application's own, made only where some option asks for it, so that it costs nothing elsewhere.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/static_folder.h"
#include "net/loop.h"
#include "worker/exchange.h"
#include "worker/front/static_exchange.h"
#include "worker/options.h"

namespace worker::front {

class Front final : public Handler, private net::Deferred {
 public:
  // Null: no option asks for one. `options` and `app` must outlive it, and it the loop's clients.
  static base::Result<std::unique_ptr<Front>> create(const Options& options, net::Loop& loop, Handler& app);

  Exchange* begin(Stream& stream) override;
  bool buffers_bodies() const override { return app_.buffers_bodies(); }
  bool takes_websockets() const override { return app_.takes_websockets(); }

  // --- for its exchanges
  // Its client is gone.
  void forget(StaticExchange& exchange);

 private:
  struct Mount {
    std::string prefix;  // "" covers every path
    http::StaticFolder folder;
  };

  Front(net::Loop& loop, Handler& app, std::vector<Mount> mounts)
      : loop_(loop), app_(app), mounts_(std::move(mounts)) {}
  void at_end_of_turn() override;
  Exchange* find_static(Stream& stream);
  Exchange& answer_later(std::unique_ptr<StaticExchange> exchange);

  net::Loop& loop_;
  Handler& app_;
  std::vector<Mount> mounts_;
  // They answer at the end of the turn: within the protocol's own call that began them they could not end.
  std::deque<std::unique_ptr<StaticExchange>> ready_;
};

}  // namespace worker::front
