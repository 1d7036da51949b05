#include "instance/services.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "instance/relay.h"
#include "net/address.h"

namespace instance {
namespace {

constexpr std::chrono::seconds kPatience{15};  // for the answer to a datagram
constexpr std::size_t kLongest = 65'535;
constexpr int kBacklog = 128;

base::Result<std::vector<net::Endpoint>> targets_of(const Service& service) {
  std::vector<net::Endpoint> targets;
  auto first = service.through.empty() ? service.address : service.through;
  for (const auto& address : {first, service.instead}) {
    if (address.empty()) continue;
    auto endpoint = net::Endpoint::of(net::TcpAddress{address, service.port});
    if (!endpoint) return std::unexpected(endpoint.error());
    targets.push_back(std::move(*endpoint));
  }
  return targets;
}

base::Result<base::Fd> listen_for(const Service& service) {
  auto endpoint = net::Endpoint::of(net::TcpAddress{service.address, service.port});
  if (!endpoint) return std::unexpected(endpoint.error());
  return service.datagrams ? endpoint->bind_datagrams() : endpoint->listen(kBacklog);
}

}  // namespace

class Services::Streams final : net::Pollable {
 public:
  Streams(net::Loop& loop, base::Fd listener, std::vector<net::Endpoint> targets, std::size_t& connections)
      : loop_(loop), listener_(std::move(listener)), targets_(std::move(targets)), connections_(connections) {}
  ~Streams() { loop_.remove(listener_.get(), *this); }
  base::Result<void> start() { return loop_.add(listener_.get(), EPOLLIN, *this); }

 private:
  void on_ready(std::uint32_t) override;
  void over(Relay& relay);

  net::Loop& loop_;
  base::Fd listener_;
  std::vector<net::Endpoint> targets_;
  std::size_t& connections_;
  std::vector<std::unique_ptr<Relay>> relays_;
};

void Services::Streams::on_ready(std::uint32_t) {
  auto accepted = net::accept(listener_.get());
  if (!accepted || !*accepted) return;
  if (connections_ >= kMostConnections) return;  // it is closed
  connections_++;
  relays_.push_back(
      std::make_unique<Relay>(loop_, std::move((*accepted)->socket), targets_, [this](Relay& relay) { over(relay); }));
  relays_.back()->start();
}

void Services::Streams::over(Relay& relay) {
  connections_--;
  loop_.post([this, gone = &relay] { std::erase_if(relays_, [gone](auto& one) { return one.get() == gone; }); });
}

// Each client of the instance has a socket of its own on the host's side, so that answers find their way back.
class Services::Datagrams final : net::Pollable {
 public:
  Datagrams(net::Loop& loop, base::Fd socket, net::Endpoint target)
      : loop_(loop), socket_(std::move(socket)), target_(std::move(target)) {}
  ~Datagrams() { loop_.remove(socket_.get(), *this); }
  base::Result<void> start() { return loop_.add(socket_.get(), EPOLLIN, *this); }

 private:
  struct Client final : net::Pollable {
    Client(Datagrams& d, base::Fd s, sockaddr_storage a, socklen_t l)
        : datagrams(d), socket(std::move(s)), address(a), length(l), patience(d.loop_, [this] { leave(); }) {}
    ~Client() { datagrams.loop_.remove(socket.get(), *this); }
    void on_ready(std::uint32_t) override;
    void leave();

    Datagrams& datagrams;
    base::Fd socket;
    sockaddr_storage address;
    socklen_t length;
    net::Timer patience;
    bool is_gone = false;
  };
  void on_ready(std::uint32_t) override;
  Client* client_at(const sockaddr_storage& address, socklen_t length);

  net::Loop& loop_;
  base::Fd socket_;
  net::Endpoint target_;
  std::vector<std::unique_ptr<Client>> clients_;
};

void Services::Datagrams::on_ready(std::uint32_t) {
  static char datagram[kLongest];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  auto count = ::recvfrom(socket_.get(), datagram, sizeof datagram, 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (count < 0) return;
  auto* client = client_at(from, length);
  if (!client) return;  // lost, as datagrams may be
  (void)::send(client->socket.get(), datagram, static_cast<std::size_t>(count), 0);
  client->patience.set_after(kPatience);
}

Services::Datagrams::Client* Services::Datagrams::client_at(const sockaddr_storage& address, socklen_t length) {
  auto known = std::ranges::find_if(clients_, [&](const auto& client) {
    return !client->is_gone && client->length == length && std::memcmp(&client->address, &address, length) == 0;
  });
  if (known != clients_.end()) return known->get();
  if (clients_.size() >= kMostQuestions) return nullptr;
  auto socket = target_.connect_datagrams();
  if (!socket) return nullptr;
  auto client = std::make_unique<Client>(*this, std::move(*socket), address, length);
  if (!loop_.add(client->socket.get(), EPOLLIN, *client)) return nullptr;
  clients_.push_back(std::move(client));
  return clients_.back().get();
}

void Services::Datagrams::Client::on_ready(std::uint32_t) {
  static char datagram[kLongest];
  auto count = ::recv(socket.get(), datagram, sizeof datagram, 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count < 0) return leave();  // nobody listens there
  (void)::sendto(datagrams.socket_.get(), datagram, static_cast<std::size_t>(count), 0,
                 reinterpret_cast<const sockaddr*>(&address), length);
}

void Services::Datagrams::Client::leave() {
  if (is_gone) return;
  is_gone = true;
  datagrams.loop_.post([all = &datagrams, gone = this] {
    std::erase_if(all->clients_, [gone](const auto& one) { return one.get() == gone; });
  });
}

base::Result<std::vector<base::Fd>> Services::listen(const std::vector<Service>& services) {
  std::vector<base::Fd> listeners;
  for (const auto& service : services) {
    auto listener = listen_for(service);
    if (!listener && !service.may_be_missing)
      return base::wrap(listener.error(), "wait for connections to " + service.address);
    listeners.push_back(listener ? std::move(*listener) : base::Fd());
  }
  return listeners;
}

Services::Services() = default;
Services::~Services() = default;

base::Result<std::unique_ptr<Services>> Services::open(net::Loop& loop, const std::vector<Service>& services,
                                                       std::vector<base::Fd> listeners) {
  std::unique_ptr<Services> made(new Services);
  for (std::size_t i = 0; i < services.size() && i < listeners.size(); i++) {
    if (!listeners[i].is_open()) continue;
    auto targets = targets_of(services[i]);
    if (!targets) return std::unexpected(targets.error());
    base::Result<void> started;
    if (services[i].datagrams) {
      made->datagrams_.push_back(std::make_unique<Datagrams>(loop, std::move(listeners[i]), targets->front()));
      started = made->datagrams_.back()->start();
    } else {
      made->streams_.push_back(
          std::make_unique<Streams>(loop, std::move(listeners[i]), std::move(*targets), made->connections_));
      started = made->streams_.back()->start();
    }
    if (!started) return std::unexpected(started.error());
  }
  return made;
}

}  // namespace instance
