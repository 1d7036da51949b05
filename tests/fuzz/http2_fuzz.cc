// HTTP/2: whole and in pieces a connection reads the same; what an owner answers reads back as it was said.
//
// A record is the frames behind the preface and SETTINGS, in a notation that mutates well:
// type, flags, length and stream, a byte each, and then the payload.
// A frame of type 0xff is none, but the owner's turn: it does what the flags say (see Owner::take_turn) and what it has
// put off, and writes. One turn comes at the end.
// A record that begins with "!" is the raw bytes of a connection instead.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/h2/server_codec.h"
#include "support.h"

namespace {

using http::StreamId;
using http::h2::Event;
using http::h2::ServerCodec;
using Kind = Event::Kind;

const http::h2::Options& options() {
  static const http::h2::Options chosen = [] {
    http::h2::Options made;
    made.limits = {.head_bytes = 512, .target_bytes = 64, .headers = 8, .body_bytes = 64, .trailer_bytes = 128};
    made.low_water = 100;
    made.flood.points = 20;
    made.streams = 10;
    made.clock = [] { return std::chrono::steady_clock::time_point(); };
    return made;
  }();
  return chosen;
}

std::string opening() { return std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9); }

// What comes before a turn of the owner, and what it does then.
struct Stage {
  std::string bytes;
  char command = 0;
};

constexpr char owners_turn = '\xff';

std::vector<Stage> stages_of(std::string_view record) {
  if (record.starts_with('!')) return {{std::string(record.substr(1))}};
  std::vector<Stage> stages = {{opening()}};
  while (record.size() >= 4) {
    const std::size_t size = std::min<std::size_t>(static_cast<unsigned char>(record[2]), record.size() - 4);
    if (record[0] == owners_turn) {
      stages.back().command = record[1];
      stages.emplace_back();
    } else {
      stages.back().bytes +=
          std::string(2, '\0') + static_cast<char>(size) + record[0] + record[1] + std::string(3, '\0') + record[3];
      stages.back().bytes += record.substr(4, size);
    }
    record.remove_prefix(4 + size);
  }
  return stages;
}

// Plays the owner, who acts in its turns only: so what it does is the same however the bytes come. Paths say how a
// request is answered: "/e" in the next turn, without its body; "/h" in three turns; "/r" with a reset; "/d" not at
// all; "/l" sets a small limit of its body; others in the next turn once they are whole. Tunnels take three turns.
class Owner {
 public:
  std::string converse(const std::vector<Stage>& stages, std::size_t piece) {
    for (const Stage& stage : stages) {
      read(stage.bytes, piece);
      take_turn(stage.command);
    }
    for (int turns = 0; turns < 3; ++turns) take_turn(0);
    return text_;
  }

 private:
  void read(std::string_view input, std::size_t piece) {
    auto pending = std::make_unique<std::string>();
    for (std::size_t at = 0; at < input.size() && !closed_; at += piece) {
      // New memory every time: views that still point into the old one are found by the address sanitizer.
      pending = std::make_unique<std::string>(input.substr(at, piece));
      take_events(*pending);
    }
  }

  void take_turn(char command) {
    if (command == 1) codec_.ping();
    if (command == 2) codec_.shut_down();
    if (command == 3) codec_.terminate(http::h2::ErrorCode::no_error);
    if (command == 4) codec_.give_back();
    for (StreamId id : std::exchange(done_, {})) codec_.release(id);
    for (StreamId id : std::exchange(begun_, {})) end(id);
    for (StreamId id : std::exchange(early_, {})) act(id);
    for (StreamId id : std::exchange(whole_, {})) answer(id, 200);
    for (StreamId id : std::exchange(refused_, {})) refuse(id);
    if (command != 5) write();
  }

  char wish_of(StreamId id) const {
    const http::RequestHead& head = codec_.head(id);
    if (!head.upgrade.empty()) return 'h';
    return head.path.size() > 1 && std::string_view("ehrdl").contains(head.path[1]) ? head.path[1] : ' ';
  }

  // A request whose body may not be whole.
  void act(StreamId id) {
    switch (wish_of(id)) {
      case 'e':
        return answer(id, 200);
      case 'h':
        codec_.set_priority(id, id % 8, true);
        begin(id, 200);
        return begun_.push_back(id);
      case 'r':
        codec_.reset(id, http::h2::ErrorCode::cancel);
        return done_.push_back(id);
      case 'd':
        return codec_.release(id);
      case 'l':
        return codec_.set_body_limit(id, 8);
    }
  }

  void refuse(StreamId id) {
    codec_.restart_answer(id);
    if (codec_.head_is_finished(id)) return codec_.release(id);
    answer(id, codec_.problem(id).status);
  }

  void forget(StreamId id) {
    for (auto* list : {&early_, &whole_, &refused_, &begun_, &done_}) std::erase(*list, id);
  }

  void take_events(std::string_view input) {
    for (;;) {
      Event event = codec_.next(input);
      if (event.kind == Kind::need_input || event.kind == Kind::closed) {
        fuzz::require(event.consumed <= input.size(), "a codec consumes no more than it was given");
        closed_ = event.kind == Kind::closed;
        return;
      }
      handle(event);
    }
  }

  void handle(const Event& event) {
    const StreamId id = event.stream;
    std::string& body = bodies_[id & 0xff];
    switch (event.kind) {
      case Kind::head:
        describe(codec_.head(id));
        if (wish_of(id) != ' ') early_.push_back(id);
        return;
      case Kind::body:
        fuzz::require(!event.body.empty(), "a body event has bytes");
        body += event.body;
        codec_.consumed(id, event.body.size());
        return;
      case Kind::end:
        text_ += fmt::format("{}: {} end\n", id, std::exchange(body, {}));
        for (const http::Header& field : codec_.trailers(id)) text_ += fmt::format("{}={}\n", field.name, field.value);
        if (wish_of(id) == ' ' || wish_of(id) == 'l') whole_.push_back(id);
        return;
      case Kind::refused:
        text_ += fmt::format("{}: refused {}\n", id, codec_.problem(id).status);
        forget(id);
        return refused_.push_back(id);
      case Kind::reset:
        fuzz::require(codec_.is_over(id), "a stream that was reset is over");
        forget(id);
        return done_.push_back(id);
      default:
        return;
    }
  }

  void describe(const http::RequestHead& head) {
    text_ += fmt::format("{} {} {} {} {} {}\n", head.method_name, head.host, head.path, head.query, head.upgrade,
                         head.content_length);
    fuzz::require(head.path.starts_with('/') || head.path == "*", "a path begins with a slash");
    fuzz::require(!head.host.empty(), "a request has a host");
    for (const http::Header& field : head.headers) {
      fuzz::require(field.value.find_first_of("\r\n") == std::string_view::npos, "no value has a line end");
      fuzz::require(field.id != http::HeaderId::transfer_encoding && field.id != http::HeaderId::connection,
                    "no request has connection-specific fields");
      text_ += fmt::format("{}={}\n", field.name, field.value);
    }
  }

  void answer(StreamId id, int status) {
    begin(id, status);
    end(id);
    forget(id);
    codec_.release(id);
  }

  void begin(StreamId id, int status) {
    fuzz::require(codec_.start(id, status).has_value(), "an answer can be started");
    (void)codec_.field(id, "x-a", codec_.head(id).path);
    (void)codec_.inform(id, 103);
    (void)codec_.finish_head(id, {});
    say(id, "an answer of some length");
  }

  void end(StreamId id) {
    say(id, std::string(id % 3 * 100, 'z'));
    if (id % 4 == 1) (void)codec_.trailer(id, "x-end", "1");
    (void)codec_.end(id);
    done_.push_back(id);
  }

  void say(StreamId id, std::string_view bytes) {
    (void)codec_.body(id, bytes);
    said_ += bytes.size();
  }

  void write() {
    std::string out;
    for (int rounds = 0; codec_.wants_write() && rounds < 1000; ++rounds) {
      codec_.write(out, 100);
      take_events({});
    }
    fuzz::require(!codec_.wants_write(), "writing comes to an end");
    fuzz::require(codec_.owed() <= said_, "what is owed is bounded by what was said");
  }

  ServerCodec codec_{options()};
  std::string bodies_[256];
  std::string text_;
  std::vector<StreamId> early_, whole_, refused_, begun_, done_;
  std::uint64_t said_ = 0;
  bool closed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    const std::vector<Stage> stages = stages_of(record);
    const std::string whole = Owner().converse(stages, SIZE_MAX / 2);
    if (record.size() > 2048) return;  // byte by byte it takes time that other inputs use better
    fuzz::require(whole == Owner().converse(stages, 1), "a connection in single bytes reads the same");
    fuzz::require(whole == Owner().converse(stages, 7), "a connection in pieces reads the same");
  });
  return 0;
}
