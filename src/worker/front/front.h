// front::Front: what stands before the application: static folders, and filters on what it answers. A handler in front
// of the application's own, made only where some option asks for it, so that it costs nothing elsewhere.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/request_id.h"
#include "http/static_folder.h"
#include "net/loop.h"
#include "worker/exchange.h"
#include "worker/front/filter.h"
#include "worker/front/static_exchange.h"
#include "worker/options.h"
#include "worker/places.h"

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
  // No longer kept here.
  std::unique_ptr<Filter> take(Filter& filter) { return filters_.take(filter); }
  const http::CodingOptions& coding_options() const { return options_.compress; }
  std::string_view request_id_name() const { return options_.request_id_header; }
  // Memory for a compressor, from any thread. False: all compressors together hold enough.
  bool reserve(std::size_t bytes);
  void give_back(std::size_t bytes) { reserved_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  struct Mount {
    std::string prefix;  // "" covers every path
    http::StaticFolder folder;
  };

  Front(const Options& options, net::Loop& loop, Handler& app, std::vector<Mount> mounts)
      : options_(options), loop_(loop), app_(app), mounts_(std::move(mounts)) {}
  void at_end_of_turn() override;
  // The exchange that answers: a file's or the application's.
  Exchange* find(Stream& stream);
  Exchange* find_static(Stream& stream);
  std::string request_id(const http::RequestHead& head);
  Exchange& answer_later(std::unique_ptr<StaticExchange> exchange);

  const Options& options_;
  net::Loop& loop_;
  Handler& app_;
  std::vector<Mount> mounts_;
  // They answer at the end of the turn: within the protocol's own call that began them they could not end.
  std::deque<std::unique_ptr<StaticExchange>> ready_;
  http::RequestIds request_ids_;
  std::atomic<std::size_t> reserved_ = 0;
  Places<std::unique_ptr<Filter>> filters_;
};

}  // namespace worker::front
