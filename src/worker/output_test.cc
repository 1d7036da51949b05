#include "worker/output.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace worker {
namespace {

constexpr std::size_t kib = 1024;

// A connection whose other end reads when it is told to.
class OutputTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    transport_ = net::Transport(base::Fd(ends[0]));
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

  net::Transport transport_;
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
      (void)output_.flush_with(transport_, piece, nullptr, sent_);
    else
      output_.append(piece);
    got += read(5000);
    (void)output_.flush(transport_, sent_);
  }
  got += read_all();
  EXPECT_EQ(got, expected);
  EXPECT_EQ(sent_, expected.size());
}

// What stands between the bytes and the client, as TLS does: in records of 16 KiB, of which it holds one that the
// socket had no room for, so that the same bytes must come again.
class Records : public net::Transport::Layer {
 public:
  struct Seen {
    std::string content;
    std::size_t room = SIZE_MAX;  // of the socket
    std::size_t refused = 0;
    bool more_follows = false;  // said with the last record
  };
  explicit Records(Seen& seen) : seen_(seen) {}

  ssize_t receive(int, std::span<char>) override { return 0; }
  bool may_hold_more() const override { return false; }
  ssize_t send(int, std::span<const iovec> pieces, bool more_follows) override {
    std::string bytes;
    for (const iovec& piece : pieces) bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    return take(bytes, more_follows);
  }
  ssize_t send_file(int, int file, std::uint64_t offset, std::size_t count, bool more_follows) override {
    std::string bytes(std::min<std::size_t>(count, 64 * kib), '\0');
    ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(static_cast<std::size_t>(got));
    return take(bytes, more_follows || bytes.size() < count);
  }
  void end_sending(int) override {}

 private:
  ssize_t take(std::string_view bytes, bool more_follows) {
    std::size_t taken = 0;
    while (taken < bytes.size()) {
      std::size_t record = std::min<std::size_t>(bytes.size() - taken, 16 * kib);
      if (seen_.refused > bytes.size() - taken) return fail(EPROTO);
      if (record > seen_.room) {
        seen_.refused = record;
        return taken > 0 ? static_cast<ssize_t>(taken) : fail(EAGAIN);
      }
      seen_.refused = 0;
      seen_.room -= record;
      seen_.content += bytes.substr(taken, record);
      taken += record;
      seen_.more_follows = more_follows || taken < bytes.size();
    }
    return static_cast<ssize_t>(taken);
  }
  static ssize_t fail(int code) {
    errno = code;
    return -1;
  }

  Seen& seen_;
};

class OutputThroughLayer : public testing::Test {
 protected:
  Records::Seen seen_;
  net::Transport transport_{base::Fd(), std::make_unique<Records>(seen_)};
  Output output_;
  std::uint64_t sent_ = 0;
};

TEST_F(OutputThroughLayer, KeepsARecordTogetherThatWasRefused) {
  for (std::size_t room : {0, 100, 16 * 1024, 20 * 1024}) {
    seen_ = {.content = {}, .room = room};
    output_.spool_beyond(1000);
    std::string head = numbered(0, 100), chunk = numbered(100, 200'000);
    output_.append(head);
    ASSERT_EQ(output_.flush_with(transport_, chunk, nullptr, sent_), Sent::some);
    EXPECT_LT(output_.tail().size(), 64 * kib) << "most of it is in the file";
    ASSERT_EQ(output_.flush(transport_, sent_), Sent::some);
    seen_.room = SIZE_MAX;
    ASSERT_EQ(output_.flush(transport_, sent_), Sent::all);
    EXPECT_TRUE(seen_.content == head + chunk);
  }
}

TEST_F(OutputThroughLayer, SaysThatNothingFollowsTheLastBytes) {
  Spool spool;
  std::uint64_t offset = 0;
  ASSERT_TRUE(spool.append(numbered(0, 50'000), offset));
  output_.append("head");
  output_.append_file(spool.file(), offset, 200'000);
  output_.tail();  // what frames the body's end, which may be nothing
  ASSERT_EQ(output_.flush(transport_, sent_), Sent::all);
  EXPECT_FALSE(seen_.more_follows);
  seen_.room = 4;
  output_.append("head");
  output_.append_file(spool.file(), offset, 200'000);
  ASSERT_EQ(output_.flush(transport_, sent_), Sent::some);
  EXPECT_TRUE(seen_.more_follows);
}

TEST(Spool, BeginsAnotherFileBeforeOneBecomesHuge) {
  Spool spool;
  const std::string piece(1 << 20, 'x');
  std::uint64_t offset = 0;
  ASSERT_TRUE(spool.append(piece, offset));
  std::weak_ptr<const base::Fd> first = spool.file();
  std::uint64_t written = piece.size();
  for (; !first.expired(); written += piece.size()) {
    ASSERT_LE(written, Spool::most_per_file);
    ASSERT_TRUE(spool.append(piece, offset));
  }
  EXPECT_EQ(offset, 0U) << "the new file's first bytes";
}

}  // namespace
}  // namespace worker
