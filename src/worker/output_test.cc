#include "worker/output.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

namespace worker {
namespace {

constexpr std::size_t kib = 1024;

// A connection whose other end reads when it is told to.
class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    transport_ = Transport(base::Fd(ends[0]));
    client_ = base::Fd(ends[1]);
  }

  std::string read(std::size_t most) {
    std::string text(most, '\0');
    ssize_t count = ::recv(client_.get(), text.data(), most, MSG_DONTWAIT);
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
  }

  // What the client gets of all that is pending.
  std::string read_all() {
    std::string all;
    do {
      (void)output_.flush(transport_, sent_);
      all += read(kib * kib);
    } while (!output_.is_empty());
    for (std::string more = read(kib * kib); !more.empty(); more = read(kib * kib)) all += more;
    return all;
  }

  Transport transport_;
  base::Fd client_;
  Output output_;
  std::uint64_t sent_ = 0;
};

std::string numbered(std::size_t from, std::size_t count) {
  std::string text;
  for (std::size_t i = from; i < from + count; i++) text += std::to_string(i) + '\n';
  return text;
}

TEST_F(OutputTest, ForgetsWhatWasSentThoughMoreIsAlwaysWaiting) {
  const std::string piece(64 * kib, 'x');
  while (output_.flush(transport_, sent_) == Sent::all) output_.append(piece);
  for (int i = 0; i < 1000; i++) {
    output_.append(piece);
    while (output_.pending() > 64 * kib) {
      ASSERT_FALSE(read(32 * kib).empty());
      ASSERT_EQ(output_.flush(transport_, sent_), Sent::some);
    }
    ASSERT_LT(output_.tail().size(), 512 * kib);
  }
}

TEST_F(OutputTest, SendsEverythingInOrderWhateverTheClientTakes) {
  std::string expected, got;
  for (std::size_t i = 0; i < 200; i++) {
    std::string piece = numbered(i * 1000, 1000);
    expected += piece;
    if (i % 3 == 0)
      (void)output_.flush_with(transport_, piece, sent_);
    else
      output_.append(piece);
    got += read(5000);
    (void)output_.flush(transport_, sent_);
  }
  got += read_all();
  EXPECT_EQ(got, expected);
  EXPECT_EQ(sent_, expected.size());
}

}  // namespace
}  // namespace worker
