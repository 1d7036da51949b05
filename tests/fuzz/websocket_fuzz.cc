// A WebSocket connection: in any pieces it reads the same, and what was read can be written and read again.
// The first byte of a record says the role, whether messages may be compressed, and whether the rest is a field of
// extension offers instead.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "support.h"
#include "websocket/extension.h"
#include "websocket/reader.h"
#include "websocket/writer.h"

namespace {

using websocket::Event;
using Kind = websocket::Event::Kind;

constexpr std::size_t limit = 2048;

struct Told {
  Kind kind;
  std::string payload;
  websocket::CloseCode code;
  bool operator==(const Told&) const = default;
};

std::string plain(const Event& event) {
  std::string text(event.payload.size(), '\0');
  websocket::copy_masked(text.data(), event.payload.data(), text.size(), event.key);
  return text;
}

// Text that lies in one frame is its owner's to check; others fail as they come, so that the words for it differ.
void settle(const Event& event, Told& told) {
  bool wrong_text = event.kind == Kind::text && !event.checked && !websocket::is_utf8(told.payload);
  if (wrong_text) told = {Kind::failed, {}, websocket::close::invalid_data};
  if (told.kind == Kind::failed) told.payload.clear();
}

std::vector<Told> read(websocket::Reader& reader, std::string_view input, std::size_t piece) {
  std::vector<Told> all;
  std::string pending;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    pending = pending + std::string(input.substr(at, piece));
    for (;;) {
      Event event = reader.next(pending);
      fuzz::require(event.consumed <= pending.size(), "a reader consumes no more than it was given");
      fuzz::require(event.payload.size() <= limit + 1, "no message is larger than allowed");
      if (event.kind == Kind::need_input) {
        pending.erase(0, event.consumed);
        break;
      }
      all.push_back({event.kind, plain(event), event.code});
      settle(event, all.back());
      if (all.back().kind == Kind::failed) return all;
      pending.erase(0, event.consumed);
    }
  }
  return all;
}

void write_message(websocket::Writer& writer, websocket::Opcode kind, std::string_view payload, std::string& out) {
  if (writer.begin_message(kind, payload.size(), out))
    out += payload;
  else
    writer.message(kind, payload, out);
}

// A reason that may be too long for a Close is cut at a character.
void check_that_reasons_are_cut(websocket::Role role, std::string_view reason) {
  websocket::Writer writer(role);
  std::string out;
  writer.close(websocket::close::going_away, reason, out);
  websocket::Reader reader(role == websocket::Role::server ? websocket::Role::client : websocket::Role::server, limit);
  std::vector<Told> told = read(reader, out, SIZE_MAX / 2);
  fuzz::require(told.size() == 1 && told[0].kind == Kind::close, "a Close can be read");
  fuzz::require(
      reason.starts_with(told[0].payload) && told[0].payload.size() + 3 >= std::min<std::size_t>(reason.size(), 123),
      "a reason is cut as little as may be");
}

void check_that_it_is_written_back(const std::vector<Told>& all, websocket::Role role,
                                   std::optional<websocket::DeflateStream> deflate) {
  websocket::Writer writer(role, deflate);
  websocket::Reader reader(role == websocket::Role::server ? websocket::Role::client : websocket::Role::server, limit,
                           deflate);
  std::string out;
  std::vector<Told> sent;
  for (const Told& one : all) {
    if (one.kind == Kind::failed) break;
    if (one.kind == Kind::text) write_message(writer, websocket::Opcode::text, one.payload, out);
    if (one.kind == Kind::binary) write_message(writer, websocket::Opcode::binary, one.payload, out);
    if (one.kind == Kind::ping) writer.control(websocket::Opcode::ping, one.payload, out);
    if (one.kind == Kind::pong) writer.control(websocket::Opcode::pong, one.payload, out);
    if (one.kind == Kind::close) writer.close(one.code, one.payload, out);
    sent.push_back(one);
    if (one.kind == Kind::text) check_that_reasons_are_cut(role, one.payload);
    if (one.kind == Kind::pong) writer.release_memory();
  }
  fuzz::require(read(reader, out, SIZE_MAX / 2) == sent, "what was written reads back");
}

void check_offers(std::string_view offers) {
  auto accepted = websocket::accept_deflate(offers, {});
  if (!accepted) return;
  fuzz::require(websocket::accept_deflate(accepted->answer, {}).has_value(), "an answer is an offer too");
  auto [server, client] = accepted->agreement;
  fuzz::require(server.bits >= 9 && server.bits <= 12 && client.bits >= 8 && client.bits <= 15, "windows are bounded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::for_each_record(data, size, [](std::string_view record) {
    if (record.empty()) return;
    const char mode = record.front();
    record.remove_prefix(1);
    if (mode == 'e') return check_offers(record);
    auto role = mode == 'c' || mode == 'C' ? websocket::Role::client : websocket::Role::server;
    std::optional<websocket::DeflateStream> deflate;
    if (mode == 'S' || mode == 'C') deflate = {12, record.size() % 2 == 0};
    websocket::Reader whole(role, limit, deflate), bytes(role, limit, deflate), pieces(role, limit, deflate);
    auto all = read(whole, record, SIZE_MAX / 2);
    check_that_it_is_written_back(all, role, deflate);
    if (record.size() > 4096) return;
    fuzz::require(all == read(bytes, record, 1), "a connection in single bytes reads the same");
    fuzz::require(all == read(pieces, record, 7), "a connection in pieces reads the same");
  });
  return 0;
}
