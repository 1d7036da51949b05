// control_plane::Watcher: follows the supervisors of all placed instances, records what happens to their processes, and
// has a new instance started when one is lost. Lives on the daemon's loop; `sync` may be called from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "control/channel.h"
#include "daemon/services.h"
#include "net/loop.h"

namespace control_plane {

class Watcher {
 public:
  // Where an instance serves: the app's place, or the second one of a split.
  struct Place {
    std::string app;
    bool is_second = false;
    auto operator<=>(const Place&) const = default;
  };
  // `replace` begins the start of another instance in this place; a conflict means that somebody changes the app
  // already.
  using Replace = std::function<Result<void>(const Place& place)>;
  Watcher(net::Loop& loop, Services& services, Replace replace);

  // Watches what the store says is placed now and nothing else.
  void sync();

 private:
  struct Watched {
    Place place;
    std::string id;
    std::unique_ptr<control::Channel> channel;
    allocation::LimitHits hits;  // that were recorded
    bool stopping = false;       // somebody asked it to end
  };
  void sync_now();
  std::optional<std::map<std::string, Place>> places();
  // Empty: nothing is there any more.
  std::string instance_at(const Place& place);
  void open(const Place& place, const std::string& id);
  void look_at_limits();
  void on_message(Watched& watched, const control::Message& message);
  void take(Watched& watched, const nlohmann::json& event);
  void record(Watched& watched, const nlohmann::json& event);
  void on_lost(const Place& place, const std::string& id);
  void tell_loss(const std::string& app, const std::string& id);
  void replace_later(const Place& place);

  net::Loop& loop_;
  Services& services_;
  Replace replace_;
  std::map<std::string, std::unique_ptr<Watched>> watched_;  // by instance
  net::Timer limits_;
  struct Loss {
    std::string instance;  // the last one lost
    int count = 0;
    net::Clock::time_point last{};
    std::unique_ptr<net::Timer> timer;
  };
  std::map<Place, Loss> losses_;  // the back-off
};

}  // namespace control_plane
