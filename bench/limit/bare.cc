// bare PORT RESPONSE_BYTES: what HTTP costs when nothing is done for it. One thread, epoll, one prepared response; of a
// request only its blank line and its Content-Length are looked for. No program that runs Python can take less than
// this plus the time of the application (app_cost.py): that sum is the limit in the benchmark's table.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t most_read = 256 * 1024;

std::string make_response(std::size_t size) {
  return "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Sun, 22 Nov 2026 22:00:00 GMT\r\nserver: bare\r\n"
         "content-length: " +
         std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
}

// Bytes of the first request in `input`, zero while it is not whole.
std::size_t request_size(std::string_view input) {
  std::size_t end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  std::size_t body = 0;
  constexpr std::string_view name = "\r\nContent-Length: ";
  if (std::size_t found = input.substr(0, end).find(name); found != std::string_view::npos) {
    std::from_chars(input.data() + found + name.size(), input.data() + end, body);
  }
  std::size_t whole = end + 4 + body;
  return whole <= input.size() ? whole : 0;
}

class Client {
 public:
  explicit Client(int socket) : socket_(socket) {}
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;

  int socket() const { return socket_; }

  // False when the client is gone.
  bool on_ready(std::span<char> room, std::string_view response) {
    return send(response) && read(room) && send(response);
  }

 private:
  // A short read has emptied the socket (epoll(7)).
  bool read(std::span<char> room) {
    for (std::size_t count = room.size(); count == room.size();) {
      ssize_t got = ::read(socket_, room.data(), room.size());
      if (got <= 0) return got < 0 && errno == EAGAIN;
      count = static_cast<std::size_t>(got);
      input_.append(room.data(), count);
    }
    while (std::size_t size = request_size(input_)) {
      input_.erase(0, size);
      owed_++;
    }
    return true;
  }

  bool send(std::string_view response) {
    while (owed_ > 0) {
      ssize_t count = ::send(socket_, response.data() + sent_, response.size() - sent_, MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN;
      sent_ += static_cast<std::size_t>(count);
      if (sent_ < response.size()) continue;
      sent_ = 0;
      owed_--;
    }
    return true;
  }

  int socket_;
  std::string input_;
  std::size_t owed_ = 0;  // responses
  std::size_t sent_ = 0;  // bytes of the first of them
};

class Bare {
 public:
  Bare(std::uint16_t port, std::size_t response_bytes) : response_(make_response(response_bytes)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one_, sizeof one_);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || ::listen(listener_, 1024) < 0) {
      std::perror("bare: cannot listen");
      std::exit(1);
    }
    watch(listener_, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::vector<char> room(most_read);
    std::array<epoll_event, 256> ready{};
    while (true) {
      int count = ::epoll_wait(epoll_, ready.data(), ready.size(), -1);
      for (int i = 0; i < count; i++) {
        int fd = ready[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept_all();
          continue;
        }
        auto& client = clients_[static_cast<std::size_t>(fd)];
        if (!client->on_ready(room, response_)) client.reset();
      }
    }
  }

 private:
  void watch(int fd, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (int socket; (socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one_, sizeof one_);
      if (clients_.size() <= static_cast<std::size_t>(socket)) clients_.resize(static_cast<std::size_t>(socket) + 1);
      clients_[static_cast<std::size_t>(socket)] = std::make_unique<Client>(socket);
      watch(socket, EPOLLIN | EPOLLOUT | EPOLLET);
    }
  }

  int one_ = 1;
  int epoll_ = ::epoll_create1(0);
  int listener_ = -1;
  std::string response_;
  std::vector<std::unique_ptr<Client>> clients_;  // by descriptor
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fputs("usage: bare PORT RESPONSE_BYTES\n", stderr);
    return 2;
  }
  Bare(static_cast<std::uint16_t>(std::atoi(arguments[1])), static_cast<std::size_t>(std::atol(arguments[2]))).run();
}
