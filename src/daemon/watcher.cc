#include "daemon/watcher.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "daemon/limit_hits.h"

namespace control_plane {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{250}, kLongestPause{60'000};
constexpr std::chrono::minutes kLimitsPause{5};  // between two looks at the limits: at most one event of each kind
constexpr std::size_t kMostEventText = 500;      // of what an app can make an event say
constexpr std::chrono::minutes kForgiven{10};    // an instance that lived so long begins anew

// What a worker died of, in the master's words. The master runs as the app's user: its words can be anything.
std::string cause_of(const nlohmann::json& worker_exited) {
  auto cause = worker_exited.find("cause");
  if (cause == worker_exited.end() || !cause->is_object()) return "for an unknown reason";
  return cause->value("sentence", "").substr(0, kMostEventText);
}

milliseconds pause_after(int losses) { return std::min(kLongestPause, kFirstPause * (1 << std::min(losses, 10))); }

}  // namespace

Watcher::Watcher(net::Loop& loop, Services& services, Replace replace)
    : loop_(loop), services_(services), replace_(std::move(replace)), limits_(loop, [this] { look_at_limits(); }) {}

void Watcher::sync() {
  loop_.post([this] { sync_now(); });
}

void Watcher::sync_now() {
  auto wanted = places();
  if (!wanted) return;
  std::erase_if(watched_, [&](const auto& item) { return !wanted->contains(item.first); });
  for (const auto& [id, place] : *wanted)
    if (!watched_.contains(id)) open(place, id);
  if (!limits_.is_set()) limits_.set_after(kLimitsPause);
}

// By instance.
std::optional<std::map<std::string, Watcher::Place>> Watcher::places() {
  auto placements = services_.store.placements();
  auto splits = services_.store.splits();
  if (!placements || !splits) return std::nullopt;
  std::map<std::string, Place> found;
  for (const auto& placement : *placements)
    if (!placement.instance.empty()) found[placement.instance] = {placement.app, false};
  for (const auto& split : *splits) found[split.instance] = {split.app, true};
  return found;
}

std::string Watcher::instance_at(const Place& place) {
  if (place.is_second) {
    auto split = services_.store.find_split(place.app);
    return split && *split ? (*split)->instance : "";
  }
  auto placement = services_.store.find_placement(place.app);
  return placement && *placement ? (*placement)->instance : "";
}

void Watcher::look_at_limits() {
  for (auto& [id, watched] : watched_) record_hits(services_, watched->place.app, id, watched->hits);
  limits_.set_after(kLimitsPause);
}

void Watcher::open(const Place& place, const std::string& id) {
  auto watched = std::make_unique<Watched>(place, id);
  auto* raw = watched.get();
  control::Channel::Events events;
  events.on_hello = [this, raw](const control::Hello&) {
    long after = 0;
    if (auto instances = services_.store.instances()) {
      for (const auto& instance : *instances)
        if (instance.id == raw->id) after = instance.last_event;
    }
    (void)raw->channel->send(control::Message(nlohmann::json{{"type", "subscribe"}, {"after", after}}));
  };
  events.on_message = [this, raw](control::Message message) { on_message(*raw, message); };
  events.on_closed = [this, place, id](std::optional<base::Error>) { on_lost(place, id); };
  auto channel = control::Channel::connect(loop_, services_.paths.control_socket(id).string(), {.role = "daemon"},
                                           std::move(events));
  if (!channel) return on_lost(place, id);
  watched->channel = std::move(*channel);
  watched_[id] = std::move(watched);
}

// Part of an event may come from the app itself: fields of the wrong type must not end the daemon.
void Watcher::on_message(Watched& watched, const control::Message& message) {
  if (message.type() != "event") return;
  try {
    take(watched, message.body());
  } catch (const nlohmann::json::exception& error) {
    base::log(base::Level::warning, "app.bad_event", {{"app", watched.place.app}, {"instance", watched.id}},
              error.what());
  }
}

void Watcher::take(Watched& watched, const nlohmann::json& event) {
  (void)services_.store.set_last_event(watched.id, event.value("number", 0L));
  record(watched, event);
  if (event.value("event", "") == "ended") {
    loop_.post([this, place = watched.place, id = watched.id] { on_lost(place, id); });
  }
}

void Watcher::record(Watched& watched, const nlohmann::json& event) {
  if (instance_at(watched.place) != watched.id) return;  // draining: its processes end on purpose
  auto kind = event.value("event", "");
  auto at = static_cast<std::int64_t>(event.value("time", 0.0));
  if (kind == "stopping") watched.stopping = true;
  if (kind == "process_exited") {
    bool out_of_memory = event.value("cause", "") == "out_of_memory";
    bool all_well =
        event.value("cause", "") == "exit" && event.value("code", 0) == 0 && !event.contains("restart_in_ms");
    if (all_well || (watched.stopping && !out_of_memory)) return;  // drained or stopped
    auto text = fmt::format("{} ended: {}{}", event.value("process", ""), event.value("description", ""),
                            event.contains("restart_in_ms") ? ", restarted" : "");
    (void)services_.store.add_event({watched.place.app, out_of_memory ? "memory" : "exit", text, at});
    base::log(base::Level::warning, "app.process_exited",
              {{"app", watched.place.app}, {"instance", watched.id}, {"process", event.value("process", "")}}, text);
  }
  if (kind == "server") {
    const auto message = event.value("message", nlohmann::json::object());
    if (message.value("type", "") != "worker_exited") return;
    (void)services_.store.add_event({watched.place.app, "worker", "a worker ended: " + cause_of(message), at});
  }
}

void Watcher::on_lost(const Place& place, const std::string& id) {
  if (auto watched = watched_.find(id); watched != watched_.end()) {
    record_hits(services_, place.app, id, watched->second->hits);
    watched_.erase(watched);
  }
  if (instance_at(place) != id) return;  // drained, stopped or replaced
  auto& loss = losses_[place];
  if (std::exchange(loss.instance, id) != id) tell_loss(place.app, id);
  if (!loss.timer || !loss.timer->is_set()) replace_later(place);
}

void Watcher::tell_loss(const std::string& app, const std::string& id) {
  auto instances = services_.store.instances();
  bool was_running = instances && std::ranges::any_of(*instances, [&](const Instance& i) {
                       return i.id == id && i.state != InstanceState::draining;
                     });
  if (!was_running) {  // ended on purpose, with everything else
    base::log(base::Level::info, "app.start", {{"app", app}}, "the app is started again");
    return;
  }
  (void)services_.store.add_event({app, "crash", fmt::format("the instance {} was lost and is replaced", id), now()});
  base::log(base::Level::error, "app.instance_lost", {{"app", app}, {"instance", id}}, "a new instance is started");
}

void Watcher::replace_later(const Place& place) {
  auto& loss = losses_[place];
  if (loop_.now() - loss.last > kForgiven) loss.count = 0;
  loss.last = loop_.now();
  auto pause = loss.count == 0 ? milliseconds(0) : pause_after(loss.count - 1);
  loss.count++;
  if (!loss.timer) {
    loss.timer = std::make_unique<net::Timer>(loop_, [this, place] {
      if (instance_at(place) != losses_[place].instance) return;  // replaced meanwhile
      // Somebody changing the app brings a new instance, or `sync` finds the loss again afterwards.
      if (auto replaced = replace_(place); !replaced && replaced.error().kind() != base::Kind::conflict)
        replace_later(place);
    });
  }
  loss.timer->set_after(pause);
}

}  // namespace control_plane
