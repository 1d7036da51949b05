// client: the clients that wrk is not. One thread, epoll, so many connections.
//
//   client echo   PORT PATH CONNECTIONS SECONDS text|binary BYTES [deflate]   WebSocket: each message waits for its
//   echo client listen PORT PATH CONNECTIONS SECONDS                               WebSocket: counts the messages that
//   come client events PORT PATH CONNECTIONS SECONDS                               server-sent events: counts them
//   client store  PORT                                                        answers Redis commands until it is killed
//
// Prints `ready` once every connection stands, waits for a line, works for SECONDS, and prints a JSON object: answers,
// bytes, seconds, errors, p50_ms and p99_ms (of an echo; 0 otherwise). Errors are connections that ended, and echoes of
// another type or size than was sent.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connected(int port) {
  int socket = ::socket(AF_INET, SOCK_STREAM, 0), one = 1;
  sockaddr_in address = loopback(port);
  if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fail("client: connect");
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket;
}

struct Settings {
  std::string mode, path;
  int port = 0, connections = 0;
  double seconds = 0;
  bool text = true, deflate = false;
  std::size_t bytes = 0;
};

// --- WebSocket frames (RFC 6455 section 5.2) ------------------------------------------------------------------------

struct Frame {
  std::uint8_t opcode = 0;
  bool compressed = false;
  std::size_t payload = 0, whole = 0;
};

std::optional<Frame> parse_frame(std::string_view input) {
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(input[i]); };
  if (input.size() < 2) return std::nullopt;
  std::size_t head = 2, payload = byte(1) & 0x7f;
  if (std::size_t extra = payload == 126 ? 2 : payload == 127 ? 8 : 0) {
    if (input.size() < head + extra) return std::nullopt;
    payload = 0;
    for (std::size_t i = 0; i < extra; i++) payload = payload << 8 | byte(head + i);
    head += extra;
  }
  if (input.size() < head + payload) return std::nullopt;
  return Frame{static_cast<std::uint8_t>(byte(0) & 0x0f), (byte(0) & 0x40) != 0, payload, head + payload};
}

// permessage-deflate (RFC 7692 section 7.2.1), without a context taken over.
std::string deflated(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_SYNC_FLUSH);
  out.resize(stream.total_out - 4);  // without the empty block 00 00 FF FF
  deflateEnd(&stream);
  return out;
}

std::string message_of(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; i++) text += "{\"id\": " + std::to_string(i) + ", \"name\": \"item\"}, ";
  text.resize(bytes);
  return text;
}

std::string masked_frame(const Settings& settings) {
  std::string payload = message_of(settings.bytes);
  if (settings.deflate) payload = deflated(payload);
  std::string frame;
  frame += static_cast<char>(0x80 | (settings.deflate ? 0x40 : 0) | (settings.text ? 1 : 2));
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | 126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size());
  }
  constexpr std::array<char, 4> key = {0x37, 0x15, 0x6a, 0x4b};
  frame.append(key.data(), key.size());
  for (std::size_t i = 0; i < payload.size(); i++) frame += static_cast<char>(payload[i] ^ key[i % key.size()]);
  return frame;
}

std::string opening_request(const Settings& settings) {
  std::string request =
      "GET " + settings.path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(settings.port) + "\r\n";
  if (settings.mode == "events") return request + "Accept: text/event-stream\r\n\r\n";
  request += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
  request += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (settings.deflate) {
    request +=
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n";
  }
  return request + "\r\n";
}

// --- the clients ----------------------------------------------------------------------------------------------------

struct Counts {
  std::uint64_t answers = 0, bytes = 0, errors = 0;
  std::vector<float> waits_ms;
};

class Client {
 public:
  Client(const Settings& settings, std::string_view frame) : settings_(settings), frame_(frame) {
    socket_ = connected(settings.port);
    write(opening_request(settings));
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;

  int socket() const { return socket_; }
  bool is_open() const { return open_; }
  void ask() {
    asked_ = Clock::now();
    write(frame_);
  }

  // False when the connection has ended.
  bool on_ready(Counts& counts) {
    std::array<char, 64 * 1024> room;
    ssize_t got = ::recv(socket_, room.data(), room.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    counts.bytes += static_cast<std::uint64_t>(got);
    input_.append(room.data(), static_cast<std::size_t>(got));
    if (!open_ && !open()) return input_.find("\r\n\r\n") == std::string::npos;
    if (settings_.mode == "events") {
      count_events(counts);
    } else {
      take_frames(counts);
    }
    return true;
  }

 private:
  // The answer's head; false while it is not whole or says no.
  bool open() {
    std::size_t end = input_.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const char* wanted = settings_.mode == "events" ? "HTTP/1.1 200" : "HTTP/1.1 101";
    if (!input_.starts_with(wanted)) {
      std::fprintf(stderr, "client: refused: %s\n", input_.substr(0, end).c_str());
      return false;
    }
    input_.erase(0, end + 4);
    return open_ = true;
  }

  void count_events(Counts& counts) {
    std::size_t at = 0;
    for (std::size_t found; (found = input_.find("data: ", at)) != std::string::npos; at = found + 6) counts.answers++;
    std::size_t kept = std::min<std::size_t>(input_.size() - at, 5);  // may be the beginning of the next one
    input_.erase(0, input_.size() - kept);
  }

  void take_frames(Counts& counts) {
    std::size_t at = 0;
    while (auto frame = parse_frame(std::string_view(input_).substr(at))) {
      at += frame->whole;
      if (frame->opcode != 1 && frame->opcode != 2) continue;  // a ping: none comes in so short a time
      counts.answers++;
      if (settings_.mode != "echo") continue;
      check(*frame, counts);
      counts.waits_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - asked_).count());
      ask();
    }
    input_.erase(0, at);
  }

  void check(const Frame& frame, Counts& counts) {
    bool same_type = (frame.opcode == 1) == settings_.text && frame.compressed == settings_.deflate;
    if (!same_type || (!settings_.deflate && frame.payload != settings_.bytes)) counts.errors++;
  }

  void write(std::string_view bytes) {
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) open_ = false;
  }

  const Settings& settings_;
  std::string_view frame_;
  int socket_;
  bool open_ = false;
  std::string input_;
  Clock::time_point asked_;
};

class Crowd {
 public:
  explicit Crowd(const Settings& settings) : settings_(settings), frame_(masked_frame(settings)) {
    for (int i = 0; i < settings.connections; i++) {
      clients_.push_back(std::make_unique<Client>(settings_, frame_));
      epoll_event event{.events = EPOLLIN, .data = {.ptr = clients_.back().get()}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, clients_.back()->socket(), &event);
    }
  }

  void wait_until_open() {
    auto open = [](const auto& client) { return client->is_open(); };
    auto end = Clock::now() + std::chrono::seconds(30);
    while (!std::all_of(clients_.begin(), clients_.end(), open)) {
      turn(end);
      if (counts_.errors > 0 || Clock::now() > end) {
        std::fputs("client: not every connection could be opened\n", stderr);
        std::exit(1);
      }
    }
  }

  void work() {
    counts_ = {};
    auto begun = Clock::now(),
         end = begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(settings_.seconds));
    if (settings_.mode == "echo")
      for (auto& client : clients_) client->ask();
    while (Clock::now() < end) turn(end);
    print(std::chrono::duration<double>(Clock::now() - begun).count());
  }

 private:
  void turn(Clock::time_point end) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count() + 1;
    std::array<epoll_event, 256> ready;
    int count = ::epoll_wait(epoll_, ready.data(), ready.size(), static_cast<int>(std::max<long>(left, 0)));
    for (int i = 0; i < count; i++) {
      auto* client = static_cast<Client*>(ready[static_cast<std::size_t>(i)].data.ptr);
      if (client->on_ready(counts_)) continue;
      counts_.errors++;
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, client->socket(), nullptr);
    }
  }

  void print(double seconds) {
    auto& waits = counts_.waits_ms;
    std::sort(waits.begin(), waits.end());
    auto at = [&](double part) {
      return waits.empty()
                 ? 0.0
                 : static_cast<double>(waits[static_cast<std::size_t>(part * static_cast<double>(waits.size()))]);
    };
    std::printf(
        "{\"answers\": %lu, \"bytes\": %lu, \"seconds\": %f, \"errors\": %lu, \"p50_ms\": %f, \"p99_ms\": %f}\n",
        counts_.answers, counts_.bytes, seconds, counts_.errors, at(0.5), at(0.99));
    std::fflush(stdout);
  }

  const Settings& settings_;
  std::string frame_;
  int epoll_ = ::epoll_create1(0);
  std::vector<std::unique_ptr<Client>> clients_;
  Counts counts_;
};

// --- the store ------------------------------------------------------------------------------------------------------

// Takes the whole commands off the input; +OK for each, a value for each GET (RESP2: arrays of bulk strings).
std::string answers_to(std::string& input) {
  std::string answers;
  std::size_t at = 0;
  while (at < input.size() && input[at] == '*') {
    std::size_t line = input.find("\r\n", at), next = line + 2;
    int parts = line == std::string::npos ? 0 : std::atoi(input.c_str() + at + 1);
    bool whole = line != std::string::npos, is_get = false;
    for (int i = 0; whole && i < parts; i++) {
      std::size_t end = input.find("\r\n", next);
      if (end == std::string::npos) {
        whole = false;
        break;
      }
      auto size = static_cast<std::size_t>(std::atol(input.c_str() + next + 1));
      if (i == 0) is_get = ::strncasecmp(input.c_str() + end + 2, "GET\r", 4) == 0;
      next = end + 2 + size + 2;
      whole = next <= input.size();
    }
    if (!whole) break;
    answers += is_get ? "$5\r\nhello\r\n" : "+OK\r\n";
    at = next;
  }
  input.erase(0, at);
  return answers;
}

[[noreturn]] void run_store(int port) {
  int listener = ::socket(AF_INET, SOCK_STREAM, 0), epoll = ::epoll_create1(0), one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in address = loopback(port);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || ::listen(listener, 1024) < 0) {
    fail("client store: listen");
  }
  std::map<int, std::string> inputs;
  epoll_event event{.events = EPOLLIN, .data = {.fd = listener}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  while (::epoll_wait(epoll, &event, 1, -1) >= 0) {
    int fd = event.data.fd;
    if (fd == listener) {
      fd = ::accept(listener, nullptr, nullptr);
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      epoll_event watched{.events = EPOLLIN, .data = {.fd = fd}};
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &watched);
      continue;
    }
    std::array<char, 16 * 1024> room;
    ssize_t got = ::read(fd, room.data(), room.size());
    std::string answers = got > 0 ? answers_to(inputs[fd].append(room.data(), static_cast<std::size_t>(got))) : "";
    bool sent = answers.empty() || ::send(fd, answers.data(), answers.size(), MSG_NOSIGNAL) > 0;
    if (got > 0 && sent) continue;
    ::close(fd);
    inputs.erase(fd);
  }
  fail("client store: epoll_wait");
}

Settings read(int count, char** arguments) {
  std::vector<std::string> given(arguments + 1, arguments + count);
  Settings settings;
  bool right = given.size() >= 2;
  if (right) {
    settings.mode = given[0];
    settings.port = std::atoi(given[1].c_str());
    right = settings.mode == "store" || given.size() >= (settings.mode == "echo" ? 7U : 5U);
  }
  if (!right) {
    std::fputs("usage: see the head of client.cc\n", stderr);
    std::exit(2);
  }
  if (settings.mode == "store") return settings;
  settings.path = given[2];
  settings.connections = std::atoi(given[3].c_str());
  settings.seconds = std::atof(given[4].c_str());
  if (settings.mode != "echo") return settings;
  settings.text = given[5] == "text";
  settings.bytes = static_cast<std::size_t>(std::atol(given[6].c_str()));
  settings.deflate = given.size() > 7 && given[7] == "deflate";
  return settings;
}

}  // namespace

int main(int count, char** arguments) {
  Settings settings = read(count, arguments);
  if (settings.mode == "store") run_store(settings.port);
  Crowd crowd(settings);
  crowd.wait_until_open();
  std::puts("ready");
  std::fflush(stdout);
  (void)std::getchar();
  crowd.work();
}
