#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "instance/machine/guest_system.h"
#include "instance/machine/mux.h"
#include "instance/machine/qmp.h"

namespace instance {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(FrameTest, AFrameIsReadAsItWasWrittenHoweverItIsCut) {
  auto bytes =
      encode_frame(FrameKind::data, 7, "hello") + encode_credit(7, 70'000) + encode_frame(FrameKind::message, 0, "{}");
  FrameDecoder decoder;
  std::vector<Frame> frames;
  for (char byte : bytes) {
    decoder.feed({&byte, 1});
    for (auto next = decoder.next(); next && *next; next = decoder.next()) frames.push_back(**next);
  }
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].payload, "hello");
  EXPECT_EQ(frames[0].stream, 7u);
  EXPECT_EQ(decode_credit(frames[1]).value(), 70'000u);
  EXPECT_EQ(frames[2].kind, FrameKind::message);
}

TEST(FrameTest, AFrameThatBreaksTheRulesIsRefused) {
  auto refused = [](const std::string& bytes) {
    FrameDecoder decoder;
    decoder.feed(bytes);
    return !decoder.next().has_value();
  };
  EXPECT_TRUE(refused(encode_frame(static_cast<FrameKind>(9), 1, "")));
  EXPECT_TRUE(refused(encode_frame(FrameKind::message, 1, "{}")));
  EXPECT_TRUE(refused(encode_frame(FrameKind::data, 0, "x")));
  EXPECT_TRUE(refused(encode_frame(FrameKind::data, 1, std::string(kMaxFrameData + 1, 'x'))));
  EXPECT_FALSE(decode_credit({.kind = FrameKind::credit, .stream = 1, .payload = "abc"}));
}

// Two ends in one process and one loop.
class MuxTest : public testing::Test {
 protected:
  MuxTest() {
    auto port = base::socketpair(SOCK_STREAM).value();
    auto keep = [](std::vector<std::string>& into) {
      return [&into](const json& message) { into.push_back(message.dump()); };
    };
    host = Mux::open(*loop, std::move(port.ours),
                     {.on_message = keep(host_heard),
                      .on_open = {},
                      .on_closed = [this](const base::Error& why) { host_closed = why.describe(); }})
               .value();
    raw_guest = std::move(port.theirs);
  }
  void open_guest() {
    guest =
        Mux::open(*loop, std::move(raw_guest),
                  {.on_message = [this](const json& message) { guest_heard.push_back(message.dump()); },
                   .on_open = [this](std::uint32_t stream, const std::string& service) { on_open(stream, service); },
                   .on_closed = [](const base::Error&) {}})
            .value();
  }
  void turn_until(const std::function<bool()>& done) {
    auto deadline = net::Clock::now() + std::chrono::seconds(10);
    while (!done() && net::Clock::now() < deadline) loop->turn(milliseconds(20));
    ASSERT_TRUE(done());
  }

  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  std::vector<std::string> host_heard, guest_heard;
  std::string host_closed;
  std::function<void(std::uint32_t, const std::string&)> on_open = [](auto, const auto&) {};
  base::Fd raw_guest;
  std::unique_ptr<Mux> host, guest;
};

TEST_F(MuxTest, MessagesArriveOnBothSides) {
  open_guest();
  host->send({{"type", "one"}});
  guest->send({{"type", "two"}});
  turn_until([&] { return !host_heard.empty() && !guest_heard.empty(); });
  EXPECT_THAT(guest_heard, ElementsAre(R"({"type":"one"})"));
  EXPECT_THAT(host_heard, ElementsAre(R"({"type":"two"})"));
}

TEST_F(MuxTest, AStreamCarriesMoreThanItsWindowBothWaysAndThenItsEnd) {
  open_guest();
  auto visitor = base::socketpair(SOCK_STREAM).value();
  auto server = base::socketpair(SOCK_STREAM).value();
  on_open = [&](std::uint32_t stream, const std::string& service) {
    EXPECT_EQ(service, "web");
    guest->attach(stream, std::move(server.ours), Way::both);
  };
  host->open_stream(1, "web");
  host->attach(1, std::move(visitor.ours), Way::both);
  ASSERT_TRUE(base::set_nonblocking(visitor.theirs.get(), true));
  ASSERT_TRUE(base::set_nonblocking(server.theirs.get(), true));
  std::string sent(3 * Mux::kWindow + 17, 'x'), there, back;
  std::size_t written = 0;
  // The server echoes; the visitor says that it has no more to say.
  auto move = [&] {
    if (written < sent.size()) {
      if (auto count = base::write_some(visitor.theirs.get(), std::string_view(sent).substr(written)); count && *count)
        written += **count;
      if (written == sent.size()) ::shutdown(visitor.theirs.get(), SHUT_WR);
    }
    char chunk[65536];
    while (auto count = base::read_some(server.theirs.get(), chunk)) {
      if (!*count || **count == 0) break;
      there.append(chunk, **count);
    }
    while (auto count = base::read_some(visitor.theirs.get(), chunk)) {
      if (!*count || **count == 0) break;
      back.append(chunk, **count);
    }
  };
  turn_until([&] { return move(), there.size() == sent.size(); });
  ASSERT_TRUE(base::write_all(server.theirs.get(), "thank you"));
  ::shutdown(server.theirs.get(), SHUT_WR);
  turn_until([&] { return move(), back == "thank you"; });
  EXPECT_EQ(there, sent);
}

TEST_F(MuxTest, AVisitorWhoDoesNotReadHoldsUpNobodyElse) {
  open_guest();
  std::map<std::uint32_t, base::Fd> servers;
  on_open = [&](std::uint32_t stream, const std::string&) {
    auto pair = base::socketpair(SOCK_STREAM).value();
    guest->attach(stream, std::move(pair.ours), Way::both);
    servers[stream] = std::move(pair.theirs);
  };
  auto idle = base::socketpair(SOCK_STREAM).value(), eager = base::socketpair(SOCK_STREAM).value();
  for (auto [number, pair] : {std::pair(1u, &idle), {2u, &eager}}) {
    host->open_stream(number, "web");
    host->attach(number, std::move(pair->ours), Way::both);
  }
  turn_until([&] { return servers.size() == 2; });
  ASSERT_TRUE(base::set_nonblocking(servers[1].get(), true));
  std::string flood(64 << 10, 'x');
  for (int i = 0; i < 200; i++) {
    (void)base::write_some(servers[1].get(), flood);
    loop->turn(milliseconds(0));
  }
  ASSERT_TRUE(base::write_all(servers[2].get(), "hello"));
  ASSERT_TRUE(base::set_nonblocking(eager.theirs.get(), true));
  char chunk[64];
  std::string heard;
  turn_until([&] {
    if (auto count = base::read_some(eager.theirs.get(), chunk); count && *count) heard.append(chunk, **count);
    return heard == "hello";
  });
}

TEST_F(MuxTest, AFileIsSentAndWritten) {
  open_guest();
  auto pipe = base::pipe().value();
  guest->attach(1, std::move(pipe.write), Way::in);
  host->attach(1, base::open("/dev/null", O_RDONLY).value(), Way::out);
  char byte;
  ASSERT_TRUE(base::set_nonblocking(pipe.read.get(), true));
  turn_until([&] {
    auto count = base::read_some(pipe.read.get(), {&byte, 1});
    return count && *count && **count == 0;
  });
}

TEST_F(MuxTest, AGuestThatSendsMoreThanItMayIsCutOff) {
  auto pipe = base::pipe().value();
  host->attach(1, std::move(pipe.write), Way::in);
  std::string flood;
  for (int i = 0; i < 20; i++) flood += encode_frame(FrameKind::data, 1, std::string(kMaxFrameData, 'x'));
  ASSERT_TRUE(base::set_nonblocking(raw_guest.get(), true));
  std::size_t written = 0;
  turn_until([&] {
    if (host_closed.empty() && written < flood.size())
      if (auto count = base::write_some(raw_guest.get(), std::string_view(flood).substr(written)); count && *count)
        written += **count;
    return !host_closed.empty();
  });
  EXPECT_THAT(host_closed, HasSubstr("more than it has room for"));
}

TEST_F(MuxTest, AGuestThatSaysNonsenseIsCutOff) {
  ASSERT_TRUE(base::write_all(raw_guest.get(), encode_frame(FrameKind::message, 0, "[1]")));
  turn_until([&] { return !host_closed.empty(); });
}

TEST(QmpTest, WhatQemuSaysIsUnderstood) {
  auto greeting = parse_qmp(R"({"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}}})").value();
  EXPECT_EQ(greeting.kind, QmpMessage::Kind::greeting);
  EXPECT_EQ(greeting.detail, "7.2");
  auto event = parse_qmp(R"({"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}})").value();
  EXPECT_EQ(event.kind, QmpMessage::Kind::event);
  EXPECT_EQ(event.name + " " + event.detail, "SHUTDOWN guest-reset");
  EXPECT_EQ(parse_qmp(R"({"return": {}})").value().kind, QmpMessage::Kind::answer);
  auto error = parse_qmp(R"({"error": {"class": "CommandNotFound", "desc": "no such"}})").value();
  EXPECT_EQ(error.name + " " + error.detail, "CommandNotFound no such");
  EXPECT_FALSE(parse_qmp("{}"));
  EXPECT_FALSE(parse_qmp("no JSON"));
  EXPECT_EQ(parse_qmp(R"({"event": "STOP", "data": 3})").value().detail, "");
}

TEST(GuestSettingsTest, AnyBytesOfAFileArriveAsTheyWere) {
  guest::Settings settings{.hostname = "shop", .uid = 70001, .gid = 70001, .layers = 2, .shares = {{"app", "/app"}}};
  settings.files = {{"/etc/localtime", std::string("TZif\xff\x00\x80", 7)}};
  auto again = guest::Settings::from_json(settings.to_json()).value();
  EXPECT_EQ(again.files[0].content, settings.files[0].content);
  EXPECT_EQ(again.shares[0].to, "/app");
  EXPECT_FALSE(guest::Settings::from_json("{}"));
}

}  // namespace
}  // namespace instance
