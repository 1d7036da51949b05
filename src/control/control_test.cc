#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "control/blocking_channel.h"
#include "control/channel.h"
#include "control/listener.h"
#include "control/socket.h"

namespace control {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;

std::string frame(std::string_view text) {
  std::string bytes;
  for (int i = 0; i < 4; i++) bytes += static_cast<char>(text.size() >> (8 * i));
  return bytes.append(text);
}

std::string take_error(std::string_view bytes) {
  Decoder decoder;
  auto taken = decoder.take(bytes);
  if (!taken) return taken.error().describe();
  auto message = decoder.next();
  return message ? "" : message.error().describe();
}

std::vector<base::Fd> one_descriptor() {
  std::vector<base::Fd> descriptors;
  descriptors.push_back(std::move(base::pipe()->read));
  return descriptors;
}

TEST(DecoderTest, AMessageComesOutWhereverItsBytesWereSplit) {
  auto bytes = frame(R"({"type":"a","n":1})") + frame(R"({"type":"b"})");
  for (std::size_t cut = 0; cut <= bytes.size(); cut++) {
    Decoder decoder;
    ASSERT_TRUE(decoder.take(std::string_view(bytes).substr(0, cut)));
    ASSERT_TRUE(decoder.take(std::string_view(bytes).substr(cut)));
    auto first = decoder.next(), second = decoder.next(), third = decoder.next();
    EXPECT_EQ((*first)->body(), (json{{"type", "a"}, {"n", 1}}));
    EXPECT_EQ((*second)->type(), "b");
    EXPECT_FALSE(third->has_value());
    EXPECT_TRUE(decoder.is_at_boundary());
  }
}

TEST(DecoderTest, ADecoderIsNotAtABoundaryInsideALengthOrAText) {
  Decoder decoder;
  ASSERT_TRUE(decoder.take("\x08"));
  EXPECT_FALSE(decoder.is_at_boundary());
  EXPECT_FALSE(decoder.next()->has_value());
}

TEST(DecoderTest, BrokenFramesAreRefused) {
  EXPECT_THAT(take_error("\xff\xff\xff\xff"), HasSubstr("claims 4294967295 bytes"));
  EXPECT_THAT(take_error(frame("")), HasSubstr("no JSON"));
  EXPECT_THAT(take_error(frame("{")), HasSubstr("no JSON"));
  EXPECT_THAT(take_error(frame(R"({"type":"a"} )") + frame("x")), testing::IsEmpty());
  EXPECT_THAT(take_error(frame("[]")), HasSubstr("no object with a \"type\""));
  EXPECT_THAT(take_error(frame("{}")), HasSubstr("no object with a \"type\""));
  EXPECT_THAT(take_error(frame(R"({"type":1})")), HasSubstr("no object with a \"type\""));
  EXPECT_THAT(take_error(frame("{\"type\":\"\xff\"}")), HasSubstr("no JSON"));
  EXPECT_THAT(take_error(frame(R"({"type":"a","x":)" + std::string(100, '[') + std::string(100, ']') + "}")),
              HasSubstr("deep"));
}

TEST(DecoderTest, BracketsAndQuotesInStringsAreNoNesting) {
  auto text = json{{"type", "a"}, {"x", std::string(100, '[') + "\"\\" + std::string(100, '{')}}.dump();
  EXPECT_EQ(take_error(frame(text)), "");
}

TEST(DecoderTest, DescriptorsBelongToTheLastFrameThatStartsInARead) {
  Decoder decoder;
  auto first = frame(R"({"type":"a"})"), second = frame(R"({"type":"b"})");
  ASSERT_TRUE(decoder.take(first + second.substr(0, 2), one_descriptor()));
  ASSERT_TRUE(decoder.take(second.substr(2)));
  EXPECT_TRUE((*decoder.next())->descriptors.empty());
  EXPECT_EQ((*decoder.next())->descriptors.size(), 1u);
}

TEST(DecoderTest, DescriptorsInsideAFrameAreAnError) {
  Decoder decoder;
  ASSERT_TRUE(decoder.take("\x08"));
  EXPECT_FALSE(decoder.take(std::string_view("\0\0", 2), one_descriptor()));
}

TEST(MessageTest, AMessageThatIsTooLargeIsNotEncoded) {
  Message message("big");
  message.body()["x"] = std::string(kMaxMessageBytes, 'x');
  EXPECT_THAT(message.encode().error().describe(), HasSubstr("at most"));
  Message many("many");
  for (std::size_t i = 0; i <= kMaxDescriptors; i++) many.descriptors.emplace_back();
  EXPECT_THAT(many.encode().error().describe(), HasSubstr("65 descriptors"));
}

TEST(MessageTest, TextThatIsNoUtf8TravelsWithReplacements) {
  Message message("log");
  message.body()["line"] = "caf\xe9";
  EXPECT_EQ(take_error(*message.encode()), "");
}

TEST(HelloTest, OtherVersionsAndOtherFirstMessagesAreRefusedWithTheReason) {
  auto reason = [](json body) { return Hello::from_message(Message(std::move(body))).error().describe(); };
  EXPECT_THAT(reason({{"type", "hello"}, {"version", 2}, {"role", "edge"}}), HasSubstr("edge speaks version 2"));
  EXPECT_THAT(reason({{"type", "routes"}}), HasSubstr("instead of hello"));
  EXPECT_THAT(reason({{"type", "hello"}, {"version", "1"}, {"role", "edge"}}), HasSubstr("without a version"));
  EXPECT_THAT(reason({{"type", "hello"}, {"version", 1}}), HasSubstr("without a role"));
}

struct ChannelTest : testing::Test {
  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  base::SocketPair sockets = std::move(*base::socketpair(SOCK_STREAM));
  std::vector<Message> messages;
  std::vector<std::string> closed;
  std::unique_ptr<Channel> channel;

  Channel::Events events() {
    return {.on_hello = {},
            .on_message = [this](Message message) { messages.push_back(std::move(message)); },
            .on_closed = [this](std::optional<base::Error> why) { closed.push_back(why ? why->describe() : "end"); }};
  }
  void open() { channel = std::move(*Channel::open(*loop, std::move(sockets.ours), {.role = "test"}, events())); }
  template <typename Condition>
  void turn_until(Condition condition) {
    while (!condition()) loop->turn(1s);
  }
};

TEST_F(ChannelTest, TwoChannelsExchangeHellosMessagesAndDescriptors) {
  open();
  std::vector<Message> theirs;
  auto other = Channel::open(
      *loop, std::move(sockets.theirs), {.role = "peer"},
      {.on_hello = {}, .on_message = [&](Message m) { theirs.push_back(std::move(m)); }, .on_closed = {}});
  auto pipe = std::move(*base::pipe());
  Message with("listen");
  with.descriptors.push_back(std::move(pipe.write));
  ASSERT_TRUE(channel->send(Message("first")));
  ASSERT_TRUE(channel->send(std::move(with)));
  ASSERT_TRUE((*other)->send(Message("back")));
  turn_until([&] { return theirs.size() == 2 && messages.size() == 1; });
  EXPECT_EQ(channel->peer()->role, "peer");
  EXPECT_TRUE(theirs[0].descriptors.empty());
  ASSERT_EQ(theirs[1].descriptors.size(), 1u);
  ASSERT_TRUE(base::write_all(theirs[1].descriptors[0].get(), "through"));
  theirs.clear();
  EXPECT_EQ(*base::read_all(pipe.read.get(), 100), "through");
}

TEST_F(ChannelTest, MessagesLargerThanTheSocketBufferArriveWhole) {
  open();
  std::thread peer([&] {
    auto blocking = BlockingChannel::open(std::move(sockets.theirs), {.role = "peer"}, 10s);
    Message big("big");
    big.body()["x"] = std::string(3 << 20, 'x');
    big.descriptors = one_descriptor();
    ASSERT_TRUE(blocking->send(std::move(big)));
    auto answer = blocking->receive(10s);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body()["y"].get_ref<const std::string&>().size(), 3u << 20);
  });
  turn_until([&] { return messages.size() == 1; });
  EXPECT_EQ(messages[0].descriptors.size(), 1u);
  Message back("back");
  back.body()["y"] = std::string(3 << 20, 'y');
  ASSERT_TRUE(channel->send(std::move(back)));
  turn_until([&] { return !closed.empty(); });
  peer.join();
  EXPECT_EQ(closed, std::vector<std::string>{"end"});
}

TEST_F(ChannelTest, APeerOfAnotherVersionIsToldWhyAndClosed) {
  open();
  ASSERT_TRUE(base::write_all(sockets.theirs.get(), frame(R"({"type":"hello","version":9,"role":"daemon"})")));
  turn_until([&] { return !closed.empty(); });
  EXPECT_THAT(closed[0], HasSubstr("version 9"));
  EXPECT_FALSE(channel->is_open());
  EXPECT_THAT(*base::read_all(sockets.theirs.get(), 1000), HasSubstr("refused"));
  EXPECT_EQ(channel->send(Message("late")).error().kind(), base::Kind::disconnected);
}

TEST_F(ChannelTest, ARefusalIsReportedWithItsReason) {
  open();
  ASSERT_TRUE(base::write_all(sockets.theirs.get(), frame(R"({"type":"refused","reason":"too old"})")));
  turn_until([&] { return !closed.empty(); });
  EXPECT_THAT(closed[0], HasSubstr("too old"));
}

TEST_F(ChannelTest, MembersOfTheWrongKindCloseTheChannel) {
  auto reads_a_name = [](Message message) { (void)message.body().value("name", ""); };
  auto on_closed = [this](std::optional<base::Error> why) { closed.push_back(why ? why->describe() : "end"); };
  channel = std::move(*Channel::open(*loop, std::move(sockets.ours), {.role = "test"}, {{}, reads_a_name, on_closed}));
  ASSERT_TRUE(base::write_all(sockets.theirs.get(),
                              frame(R"({"type":"hello","version":1,"role":"x"})") + frame(R"({"type":"a","name":5})")));
  turn_until([&] { return !closed.empty(); });
  EXPECT_THAT(closed[0], HasSubstr("not as expected"));
}

TEST_F(ChannelTest, ARefusalWithoutAReasonThatCanBeReadIsStillOne) {
  open();
  ASSERT_TRUE(base::write_all(sockets.theirs.get(), frame(R"({"type":"refused","reason":["x"]})")));
  turn_until([&] { return !closed.empty(); });
  EXPECT_NE(closed[0], "end");
}

TEST_F(ChannelTest, APeerThatLeavesInsideAMessageIsAnError) {
  open();
  ASSERT_TRUE(base::write_all(sockets.theirs.get(), "\x08"));
  ASSERT_EQ(::shutdown(sockets.theirs.get(), SHUT_WR), 0);
  turn_until([&] { return !closed.empty(); });
  EXPECT_THAT(closed[0], HasSubstr("inside a control message"));
}

TEST_F(ChannelTest, AChannelMayBeDestroyedFromItsOwnCallback) {
  auto on_message = [&](Message) { channel.reset(); };
  channel = std::move(*Channel::open(*loop, std::move(sockets.ours), {.role = "test"}, {{}, on_message, {}}));
  ASSERT_TRUE(base::write_all(sockets.theirs.get(), frame(R"({"type":"hello","version":1,"role":"x"})") +
                                                        frame(R"({"type":"a"})") + frame(R"({"type":"b"})")));
  turn_until([&] { return !channel; });
}

TEST_F(ChannelTest, FinishSendsWhatIsQueued) {
  open();
  Message big("big");
  big.body()["x"] = std::string(3 << 20, 'x');
  ASSERT_TRUE(channel->send(std::move(big)));
  channel->finish();
  std::string received;
  std::thread reader([&] { received = *base::read_all(sockets.theirs.get(), 8 << 20); });
  turn_until([&] { return !channel->is_open(); });
  reader.join();
  EXPECT_GT(received.size(), 3u << 20);
  EXPECT_TRUE(closed.empty());
}

struct ListenerTest : testing::Test {
  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  std::string path = std::filesystem::temp_directory_path() / fmt::format("serai-listener-{}", ::getpid());
  ~ListenerTest() override { ::unlink(path.c_str()); }
};

TEST_F(ListenerTest, APeerWithThisUidIsAcceptedAndToldApart) {
  std::vector<std::unique_ptr<Channel>> channels;
  std::string heard;
  auto listener = Listener::listen(*loop, path, {}, [&](base::Fd socket, uid_t uid) {
    EXPECT_EQ(uid, ::geteuid());
    channels.push_back(std::move(
        *Channel::open(*loop, std::move(socket), {.role = "edge"}, {{}, [&](Message m) { heard = m.type(); }, {}})));
  });
  ASSERT_TRUE(listener);
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  std::thread client([&] {
    auto channel = BlockingChannel::connect(path, {.role = "daemon"}, 10s);
    ASSERT_TRUE(channel);
    EXPECT_EQ(channel->peer().role, "edge");
    ASSERT_TRUE(channel->send(Message("routes")));
  });
  while (heard.empty()) loop->turn(1s);
  client.join();
  EXPECT_EQ(heard, "routes");
}

TEST(BlockingChannelTest, ASilentPeerIsATimeout) {
  auto sockets = std::move(*base::socketpair(SOCK_STREAM));
  auto channel = BlockingChannel::open(std::move(sockets.ours), {.role = "test"}, 10ms);
  EXPECT_EQ(channel.error().kind(), base::Kind::unavailable);
}

}  // namespace
}  // namespace control
