// steady: keep-alive HTTP/1.1 clients that check every answer and never retry. One thread, epoll.
//
//   steady PORT CONNECTIONS REST_MS KIND[,KIND…] [tls]
//
// Kinds of requests, which each connection makes in turn (tests/serve/load_apps.py answers them):
//   get     GET /echo/NONCE          answers NONCE
//   post    POST /echo               answers the body, up to 70 KB of it
//   stream  GET /stream/NONCE        answers NONCE and a line feed, five times, in pieces
//
// A connection rests between two requests, for REST_MS on average, and is opened again only after an answer that said
// `Connection: close`. Any other end is a failed request, or an `idle_close` when no request was under way. Each
// answer names its worker (`X-Worker`), so that a failure can be laid at a worker's door: the one that answered on this
// connection before.
//
// Prints `ready` when every connection has had an answer. For each line on standard input it prints a report: a JSON
// object with the counts since the start, and the latencies since the last report. At the end of input it makes an end
// of the requests under way and prints the last report.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto patience = std::chrono::seconds(40);  // for one answer; more than the graceful timeout
constexpr std::size_t most_body = 70'000, most_failures_kept = 20;
constexpr int stream_lines = 5;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// --- what an answer should be and is --------------------------------------------------------------------------------

struct Question {
  std::string kind, bytes, expected;
};

class Asker {
 public:
  explicit Asker(std::string_view kinds) {
    while (!kinds.empty()) {
      kinds_.emplace_back(kinds.substr(0, kinds.find(',')));
      kinds.remove_prefix(std::min(kinds.size(), kinds_.back().size() + 1));
    }
  }

  Question next(std::size_t turn) {
    const std::string& kind = kinds_[turn % kinds_.size()];
    std::string nonce = fmt::format("{:016x}", random_());
    if (kind == "post") return post(nonce);
    std::string line = nonce + "\n", expected = nonce;
    if (kind == "stream") expected = line + line + line + line + line;
    return {kind, fmt::format("GET /{}/{} HTTP/1.1\r\nHost: test\r\n\r\n", kind == "get" ? "echo" : kind, nonce),
            expected};
  }

  std::chrono::microseconds rest(double mean_ms) {
    return std::chrono::microseconds(static_cast<long>(std::uniform_real_distribution(0.0, 2000.0)(random_) * mean_ms));
  }

 private:
  // Mostly small, now and then so large that it comes in several pieces.
  Question post(const std::string& nonce) {
    std::size_t size = random_() % 8 ? random_() % 2000 : random_() % most_body;
    std::string body;
    while (body.size() < size) body += nonce;
    return {"post", fmt::format("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{}", body.size(), body),
            body};
  }

  std::vector<std::string> kinds_;
  std::mt19937_64 random_{std::random_device{}()};
};

struct Answer {
  int status = 0;
  bool closes = false, chunked = false;
  std::optional<std::size_t> length;
  int worker = 0;
  std::string body;
};

// Reads one answer. `take` gives true when it is whole; a wrong one has a `complaint`.
class Reader {
 public:
  void begin() { answer_ = {}, in_body_ = false, complaint_ = {}; }

  bool take(std::string& input) {
    if (!in_body_ && !take_head(input)) return false;
    return answer_.chunked ? take_chunks(input) : take_length(input);
  }

  const Answer& answer() const { return answer_; }
  const std::string& complaint() const { return complaint_; }

 private:
  bool take_head(std::string& input) {
    std::size_t end = input.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    std::string_view head(input.data(), end + 2);
    if (!head.starts_with("HTTP/1.1 ")) complaint_ = "no HTTP/1.1 answer: " + input.substr(0, 40);
    answer_.status = std::atoi(input.c_str() + 9);
    for (std::size_t at = head.find("\r\n") + 2; at < head.size(); at = head.find("\r\n", at) + 2) {
      read_field(head.substr(at, head.find("\r\n", at) - at));
    }
    input.erase(0, end + 4);
    in_body_ = true;
    return true;
  }

  void read_field(std::string_view line) {
    std::string name(line.substr(0, line.find(':'))), value(line.substr(std::min(line.size(), line.find(':') + 1)));
    value.erase(0, value.find_first_not_of(' '));
    auto is = [&](const char* other) { return ::strcasecmp(name.c_str(), other) == 0; };
    if (is("content-length")) answer_.length = std::strtoul(value.c_str(), nullptr, 10);
    if (is("transfer-encoding")) answer_.chunked = true;
    if (is("connection")) answer_.closes = value == "close";
    if (is("x-worker")) answer_.worker = std::atoi(value.c_str());
  }

  bool take_length(std::string& input) {
    if (!answer_.length) return complaint_ = "an answer without a length", true;
    std::size_t size = std::min(*answer_.length - answer_.body.size(), input.size());
    answer_.body.append(input, 0, size);
    input.erase(0, size);
    return answer_.body.size() == *answer_.length;
  }

  bool take_chunks(std::string& input) {
    for (;;) {
      std::size_t line = input.find("\r\n");
      if (line == std::string::npos) return false;
      std::size_t size = std::strtoul(input.c_str(), nullptr, 16);
      if (input.size() < line + 2 + size + 2) return false;
      answer_.body.append(input, line + 2, size);
      input.erase(0, line + 2 + size + 2);
      if (size == 0) return true;
    }
  }

  Answer answer_;
  bool in_body_ = false;
  std::string complaint_;
};

// --- what is reported -----------------------------------------------------------------------------------------------

std::string json_text(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' || c == '\\' || static_cast<unsigned char>(c) < 32 ? '.' : c;
  return quoted + "\"";
}

class Tally {
 public:
  void answered(const std::string& kind, int worker, Clock::duration wait) {
    counts_[kind]++;
    workers_[worker]++;
    waits_us_.push_back(static_cast<std::uint32_t>(wait / std::chrono::microseconds(1)));
  }
  void failed(const Question& question, int worker, const std::string& why) {
    failed_++;
    failures_of_[worker]++;
    if (failures_.size() < most_failures_kept) {
      double at = std::chrono::duration<double>(Clock::now() - started_).count();
      failures_.push_back(json_text(fmt::format("{:.2f} s: {}, worker {}: {}", at, question.kind, worker, why)));
    }
  }
  void closed_idle() { idle_closes_++; }
  void reconnected() { reconnects_++; }

  std::string report() {
    std::sort(waits_us_.begin(), waits_us_.end());
    std::string line = fmt::format(
        R"({{"answers":{},"failed":{},"idle_closes":{},"reconnects":{},"failures":[{}],"failures_of":{},"workers":{},)"
        R"("lap":{},"p50_ms":{:.3f},"p99_ms":{:.3f},"slowest_ms":{:.3f}}})",
        as_object(counts_), failed_, idle_closes_, reconnects_, fmt::join(failures_, ","), as_object(failures_of_),
        as_object(workers_), waits_us_.size(), quantile(0.5), quantile(0.99), quantile(1));
    waits_us_.clear();
    return line;
  }

 private:
  template <typename Map>
  static std::string as_object(const Map& map) {
    std::string text;
    for (const auto& [key, count] : map) text += fmt::format(R"({}"{}":{})", text.empty() ? "" : ",", key, count);
    return "{" + text + "}";
  }
  double quantile(double q) const {
    if (waits_us_.empty()) return 0;
    return waits_us_[static_cast<std::size_t>(q * static_cast<double>(waits_us_.size() - 1))] / 1000.0;
  }

  Clock::time_point started_ = Clock::now();
  std::map<std::string, std::uint64_t> counts_;
  std::map<int, std::uint64_t> workers_, failures_of_;
  std::uint64_t failed_ = 0, idle_closes_ = 0, reconnects_ = 0;
  std::vector<std::string> failures_;
  std::vector<std::uint32_t> waits_us_;  // since the last report
};

// --- the connection -------------------------------------------------------------------------------------------------

// A socket that does not block, with or without TLS (which is not verified). Empty when there is none.
class Wire {
 public:
  enum class Result { bytes, later, ended };

  explicit Wire(SSL_CTX* tls) : tls_(tls) {}
  ~Wire() { close(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  bool is_open() const { return socket_ >= 0; }

  bool connect(int port, int epoll, void* owner) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return false;
    int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
    if (tls_) {
      session_.reset(SSL_new(tls_));
      SSL_set_fd(session_.get(), socket_);
      SSL_set_connect_state(session_.get());
    }
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = owner}};
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) == 0;
  }

  void close() {
    session_.reset();
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  Result write(const char* from, std::size_t size, std::size_t& written) {
    ssize_t done =
        session_ ? SSL_write(session_.get(), from, static_cast<int>(size)) : ::send(socket_, from, size, MSG_NOSIGNAL);
    return judge(done, written);
  }
  Result read(char* into, std::size_t size, std::size_t& got) {
    ssize_t done = session_ ? SSL_read(session_.get(), into, static_cast<int>(size)) : ::recv(socket_, into, size, 0);
    return judge(done, got);
  }

 private:
  Result judge(ssize_t done, std::size_t& size) const {
    if (done > 0) return size = static_cast<std::size_t>(done), Result::bytes;
    int problem = session_ ? SSL_get_error(session_.get(), static_cast<int>(done)) : 0;
    bool later =
        session_ ? problem == SSL_ERROR_WANT_READ || problem == SSL_ERROR_WANT_WRITE : done < 0 && errno == EAGAIN;
    return later ? Result::later : Result::ended;
  }

  struct Free {
    void operator()(SSL* session) const { SSL_free(session); }
  };
  SSL_CTX* tls_;
  int socket_ = -1;
  std::unique_ptr<SSL, Free> session_;
};

SSL_CTX* tls_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

// --- the clients ----------------------------------------------------------------------------------------------------

struct Around {
  int port = 0;
  double rest_ms = 0;
  int epoll = -1;
  SSL_CTX* tls = nullptr;
  Asker asker;
  Tally tally;
  bool ending = false;
};

class Client {
 public:
  Client(Around& around, std::size_t turn) : around_(around), turn_(turn), wire_(around.tls) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_busy() const { return busy_; }
  bool has_been_answered() const { return worker_ != 0; }

  void on_time(Clock::time_point now) {
    if (busy_ && now > asked_ + patience) give_up("no answer in time");
    if (!busy_ && !around_.ending && now >= due_) ask();
  }

  void on_event() {
    if (unsent_) send_more();
    if (wire_.is_open()) read_more();
  }

 private:
  void ask() {
    question_ = around_.asker.next(turn_++);
    busy_ = true;
    asked_ = Clock::now();
    reader_.begin();
    unsent_ = question_.bytes.size();
    if (!wire_.is_open() && !wire_.connect(around_.port, around_.epoll, this)) {
      return give_up(fmt::format("connect: {}", std::strerror(errno)));
    }
    send_more();
  }

  void send_more() {
    std::size_t sent = 0;
    while (unsent_ && wire_.is_open()) {
      const char* from = question_.bytes.data() + question_.bytes.size() - unsent_;
      Wire::Result result = wire_.write(from, unsent_, sent);
      if (result == Wire::Result::later) return;
      // An answer may lie there all the same; if not, the end that follows is the failure.
      unsent_ = result == Wire::Result::ended ? 0 : unsent_ - sent;
    }
  }

  void read_more() {
    std::array<char, 65536> piece;
    for (std::size_t size = 0;;) {
      errno = 0;
      Wire::Result result = wire_.read(piece.data(), piece.size(), size);
      if (result == Wire::Result::later) return;
      if (result == Wire::Result::ended) return on_end(errno ? std::strerror(errno) : "closed");
      input_.append(piece.data(), size);
      if (!busy_) return give_up("bytes that nobody asked for: " + input_.substr(0, 40));
      if (reader_.take(input_)) return on_answer();
    }
  }

  void on_answer() {
    const Answer& answer = reader_.answer();
    worker_ = answer.worker ? answer.worker : worker_;
    std::string wrong = reader_.complaint();
    if (answer.status != 200) wrong = fmt::format("status {}: {}", answer.status, answer.body.substr(0, 80));
    if (wrong.empty() && answer.body != question_.expected)
      wrong = fmt::format("a body of {} bytes, not of {}", answer.body.size(), question_.expected.size());
    if (wrong.empty() && !input_.empty()) wrong = "bytes behind the answer";
    if (!wrong.empty()) return give_up(wrong);
    busy_ = false;
    around_.tally.answered(question_.kind, worker_, Clock::now() - asked_);
    if (answer.closes) {
      around_.tally.reconnected();
      disconnect();
    }
    due_ = Clock::now() + around_.asker.rest(around_.rest_ms);
  }

  void on_end(const char* how) {
    if (busy_)
      return give_up(fmt::format("{} after {} bytes of the answer", how, input_.size() + reader_.answer().body.size()));
    around_.tally.closed_idle();
    disconnect();
  }

  void give_up(const std::string& why) {
    around_.tally.failed(question_, worker_, why);
    busy_ = false;
    disconnect();
    due_ = Clock::now() + milliseconds(10);
  }

  void disconnect() {
    wire_.close();
    unsent_ = 0;
    input_.clear();
  }

  Around& around_;
  std::size_t turn_;
  Wire wire_;
  int worker_ = 0;
  bool busy_ = false;
  Question question_;
  std::size_t unsent_ = 0;
  Clock::time_point asked_, due_;
  std::string input_;
  Reader reader_;
};

class Crowd {
 public:
  Crowd(Around& around, std::size_t count) : around_(around) {
    for (std::size_t i = 0; i < count; i++) clients_.push_back(std::make_unique<Client>(around, i));
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (::epoll_ctl(around.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) fail("steady: standard input");
  }

  void run() {
    while (!around_.ending || any(&Client::is_busy)) {
      for (auto& client : clients_) client->on_time(Clock::now());
      turn();
      if (!ready_ && !any_not(&Client::has_been_answered)) ready_ = true, say("ready");
    }
    say(around_.tally.report());
  }

 private:
  void turn() {
    std::array<epoll_event, 256> events;
    int count = ::epoll_wait(around_.epoll, events.data(), events.size(), 1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) {
        static_cast<Client*>(events[i].data.ptr)->on_event();
      } else {
        read_commands();
      }
    }
  }

  void read_commands() {
    std::array<char, 256> text;
    ssize_t size = ::read(STDIN_FILENO, text.data(), text.size());
    if (size <= 0) {
      around_.ending = true;
      ::epoll_ctl(around_.epoll, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    }
    for (ssize_t i = 0; i < size; i++) {
      if (text[i] == '\n') say(around_.tally.report());
    }
  }

  static void say(const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
  }
  bool any(bool (Client::*holds)() const) const {
    return std::any_of(clients_.begin(), clients_.end(), [&](const auto& client) { return (*client.*holds)(); });
  }
  bool any_not(bool (Client::*holds)() const) const {
    return !std::all_of(clients_.begin(), clients_.end(), [&](const auto& client) { return (*client.*holds)(); });
  }

  Around& around_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool ready_ = false;
};

}  // namespace

int main(int count, char** arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  if (count < 5) {
    std::fputs("usage: steady PORT CONNECTIONS REST_MS KIND[,KIND...] [tls]\n", stderr);
    return 2;
  }
  Around around{.port = std::atoi(arguments[1]),
                .rest_ms = std::atof(arguments[3]),
                .epoll = ::epoll_create1(EPOLL_CLOEXEC),
                .tls = count > 5 ? tls_context() : nullptr,
                .asker = Asker(arguments[4]),
                .tally = {}};
  Crowd(around, static_cast<std::size_t>(std::atoi(arguments[2]))).run();
}
