#include "websocket/reader.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "websocket/writer.h"

namespace websocket {
namespace {

using Kind = Event::Kind;
constexpr std::size_t limit = 1 << 20;

// A frame as a client sends it, masked with a fixed key; `first` holds FIN, RSV and opcode.
std::string frame(int first, std::string_view payload, std::string_view key = "\x37\xfa\x21\x3d") {
  std::string text = {static_cast<char>(first)};
  int mask = key.empty() ? 0 : 0x80;
  if (payload.size() < 126) {
    text += static_cast<char>(mask | static_cast<int>(payload.size()));
  } else {
    text += static_cast<char>(mask | 127);
    for (int i = 7; i >= 0; i--) text += static_cast<char>(payload.size() >> (8 * i));
    if (payload.size() <= 0xffff) text.replace(1, 7, 1, static_cast<char>(mask | 126));
  }
  text += key;
  for (std::size_t i = 0; i < payload.size(); i++)
    text += key.empty() ? payload[i] : static_cast<char>(payload[i] ^ key[i % 4]);
  return text;
}

std::string plain(const Event& event) {
  std::string text(event.payload.size(), '\0');
  copy_masked(text.data(), event.payload.data(), text.size(), event.key);
  return text;
}

// What a connection's bytes hold, given in pieces of a certain size.
std::string read(Reader& reader, std::string_view input, std::size_t piece = SIZE_MAX / 2) {
  std::string told, pending;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    pending += input.substr(at, piece);
    for (;;) {
      Event event = reader.next(pending);
      std::string payload = plain(event);
      pending.erase(0, event.consumed);
      if (event.kind == Kind::need_input) break;
      constexpr const char* names[] = {"", "text", "binary", "ping", "pong", "close", "failed"};
      told += fmt::format("{}{} {}\n", names[static_cast<int>(event.kind)],
                          event.code ? fmt::format(" {}", event.code) : "", payload);
    }
  }
  return told;
}

std::string read(std::string_view input, std::size_t piece = SIZE_MAX / 2) {
  Reader reader(Role::server, limit);
  return read(reader, input, piece);
}

// The close code for which reading fails, whatever the pieces.
int failure(std::string_view input, std::optional<DeflateStream> deflate = {}) {
  int code = -1;
  for (std::size_t piece : {SIZE_MAX / 2, std::size_t{1}}) {
    Reader reader(Role::server, limit, deflate);
    std::string told = read(reader, input, piece);
    int now = told.starts_with("failed") ? std::stoi(told.substr(7)) : 0;
    EXPECT_TRUE(code == -1 || code == now) << told;
    code = now;
  }
  return code;
}

TEST(Reader, FindsMessagesAndControlFramesInAnyPieces) {
  std::string input = frame(0x81, "Hello") + frame(0x82, std::string(70000, '\xff')) + frame(0x89, "ping") +
                      frame(0x8a, "") + frame(0x81, std::string(300, 'x')) + frame(0x81, "") +
                      frame(0x88,
                            "\x03\xe8"
                            "bye");
  std::string told = "text Hello\nbinary " + std::string(70000, '\xff') + "\nping ping\npong \ntext " +
                     std::string(300, 'x') + "\ntext \nclose 1000 bye\n";
  for (std::size_t piece : {SIZE_MAX / 2, std::size_t{1}, std::size_t{7}, std::size_t{4096}})
    EXPECT_EQ(read(input, piece), told) << piece;
}

TEST(Reader, GivesAMessageOfOneFrameWhereItLies) {
  Reader reader(Role::server, limit);
  std::string input = frame(0x81, "Hello") + frame(0x82, "\x01");
  Event event = reader.next(input);
  EXPECT_EQ(event.kind, Kind::text);
  EXPECT_EQ(event.payload.data(), input.data() + 6);
  EXPECT_FALSE(event.checked);
  EXPECT_EQ(plain(event), "Hello");
}

TEST(Reader, PutsFragmentsTogetherWithControlFramesBetweenThem) {
  std::string input = frame(0x01, "one ") + frame(0x89, "a") + frame(0x00, "") + frame(0x00, "two ") +
                      frame(0x8a, "b") + frame(0x80, "three") + frame(0x81, "next");
  for (std::size_t piece : {SIZE_MAX / 2, std::size_t{1}, std::size_t{5}})
    EXPECT_EQ(read(input, piece), "ping a\npong b\ntext one two three\ntext next\n") << piece;
}

TEST(Reader, RefusesFramesThatAreNotInOrder) {
  EXPECT_EQ(failure(frame(0x83, "")), 1002);  // unknown opcodes
  EXPECT_EQ(failure(frame(0x8b, "")), 1002);
  EXPECT_EQ(failure(frame(0xa1, "")), 1002);  // reserved bits
  EXPECT_EQ(failure(frame(0x91, "")), 1002);
  EXPECT_EQ(failure(frame(0xc1, "")), 1002);                      // compressed, though that was not agreed on
  EXPECT_EQ(failure(frame(0x81, "Hello", "")), 1002);             // not masked
  EXPECT_EQ(failure(frame(0x80, "")), 1002);                      // a continuation of nothing
  EXPECT_EQ(failure(frame(0x01, "a") + frame(0x81, "b")), 1002);  // a message inside another
  EXPECT_EQ(failure(frame(0x09, "")), 1002);                      // a control frame in fragments
  EXPECT_EQ(failure(frame(0x89, std::string(126, 'x'))), 1002);   // a control frame that is too long
  EXPECT_EQ(failure(std::string("\x81\xfe\x00\x05", 4) + "abcd" + "Hello"), 1002);  // not the shortest length
  EXPECT_EQ(failure(std::string("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", 10) + "abcd"), 1002);
  EXPECT_EQ(failure("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                    "abcd"),
            1002);  // a length beyond 2^63
}

TEST(Reader, ChecksTextAsItComes) {
  EXPECT_EQ(read(frame(0x01, "\xce") + frame(0x80, "\xba"), 1), "text κ\n");
  EXPECT_EQ(failure(frame(0x01, "\xce") + frame(0x80, "")), 1007);
  EXPECT_EQ(failure(frame(0x01, "\xff")), 1007);
  Reader reader(Role::server, limit);
  std::string whole = frame(0x81, "ab\xf4\x90more to come");
  EXPECT_EQ(read(reader, std::string_view(whole).substr(0, 10)), "failed 1007 a text message is not UTF-8\n");
}

TEST(Reader, JudgesCloseFrames) {
  EXPECT_EQ(read(frame(0x88, "") + frame(0x81, "unseen")), "close 1005 \n");
  EXPECT_EQ(read(frame(0x88, "\x0b\xb8")), "close 3000 \n");
  EXPECT_EQ(failure(frame(0x88, "\x03")), 1002);
  EXPECT_EQ(failure(frame(0x88, "\x03\xe8\xff")), 1007);
  for (unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2999u, 5000u, 65535u}) {
    std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
    EXPECT_EQ(failure(frame(0x88, payload)), 1002) << code;
  }
}

TEST(Reader, BoundsMessagesBeforeTheyAreThere) {
  EXPECT_EQ(failure(frame(0x82, std::string(limit + 1, 'x'))), 1009);
  EXPECT_EQ(failure(frame(0x02, std::string(limit, 'x')) + frame(0x80, "y")), 1009);
  EXPECT_EQ(failure(std::string("\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00", 10) + "abcd"), 1009);
  EXPECT_EQ(failure(frame(0x82, std::string(limit, 'x'))), 0);
}

TEST(Reader, ExpandsCompressedMessages) {
  const std::string text = "compressed compressed compressed compressed compressed compressed κόσμε";
  Compressor compressor({});
  std::string first, second;
  ASSERT_TRUE(compressor.compress(text, first));
  ASSERT_TRUE(compressor.compress(text, second));
  std::string input = frame(0x41, first.substr(0, 3)) + frame(0x89, "") + frame(0x80, first.substr(3)) +
                      frame(0x81, "plain") + frame(0xc2, second);
  for (std::size_t piece : {SIZE_MAX / 2, std::size_t{1}}) {
    Reader reader(Role::server, limit, DeflateStream{});
    EXPECT_EQ(read(reader, input, piece), "ping \ntext " + text + "\ntext plain\nbinary " + text + "\n");
  }
  EXPECT_EQ(failure(frame(0x41, first) + frame(0xc0, ""), DeflateStream{}), 1002);
  EXPECT_EQ(failure(frame(0xc9, ""), DeflateStream{}), 1002);
  EXPECT_EQ(failure(frame(0xc1, "\xff\xff\xff"), DeflateStream{}), 1007);
}

TEST(Reader, StopsABomb) {
  Compressor compressor({});
  std::string bomb;
  ASSERT_TRUE(compressor.compress(std::string(200 << 20, 'x'), bomb));
  Reader reader(Role::server, limit, DeflateStream{});
  EXPECT_EQ(read(reader, frame(0xc2, bomb)), "failed 1009 the message is too big\n");
}

TEST(Reader, UnderstandsTheWriterInBothRoles) {
  for (Role role : {Role::server, Role::client}) {
    for (bool deflate : {false, true}) {
      auto stream = deflate ? std::optional(DeflateStream{12, true}) : std::nullopt;
      Writer writer(role, stream);
      Reader reader(role == Role::server ? Role::client : Role::server, limit, stream);
      std::string input, told;
      for (std::size_t size : {0, 1, 63, 64, 125, 126, 65535, 65536, 200000}) {
        std::string text(size, 'q');
        writer.message(Opcode::text, text, input);
        writer.message(Opcode::binary, text, input);
        told += "text " + text + "\nbinary " + text + "\n";
      }
      writer.control(Opcode::ping, "here?", input);
      writer.close(close::going_away, "done", input);
      EXPECT_EQ(read(reader, input), told + "ping here?\nclose 1001 done\n");
    }
  }
}

TEST(Writer, GivesTheExamplesOfTheRfc) {
  Writer writer(Role::server);
  std::string out;
  writer.message(Opcode::text, "Hello", out);
  EXPECT_EQ(out, "\x81\x05Hello");
  out.clear();
  EXPECT_TRUE(writer.begin_message(Opcode::binary, 256, out));
  EXPECT_EQ(out, std::string("\x82\x7e\x01\x00", 4));
  out.clear();
  EXPECT_TRUE(writer.begin_message(Opcode::binary, 65536, out));
  EXPECT_EQ(out, std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
  out.clear();
  writer.close(close::no_code, "", out);
  EXPECT_EQ(out, std::string("\x88\x00", 2));
}

TEST(Writer, CutsAReasonAtACharacter) {
  Writer writer(Role::server);
  std::string out, reason(122, 'x');
  writer.close(close::normal, reason + "é", out);
  EXPECT_EQ(out.size(), 2 + 2 + 122u);
}

}  // namespace
}  // namespace websocket
