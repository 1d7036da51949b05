#include "compare/look.h"

#include "compare/load_connection.h"
#include "net/endpoint.h"
#include "net/loop.h"

namespace compare {
namespace {

class Look final : public LoadConnection::Owner {
 public:
  Look(const LoadPlan& plan, unsigned count, net::Loop& loop, const net::Endpoint& endpoint)
      : plan_(plan), left_(count), loop_(loop), request_(request_of(plan)), connection_(loop, endpoint, *this) {}

  base::Result<Answers> run() {
    patience_.set_after(plan_.patience);
    connection_.ask(request_, plan_.body);
    loop_.run();
    if (!failure_.empty()) return base::fail(base::Kind::unavailable, "GET {}: {}", plan_.path, failure_);
    return answers_;
  }

 private:
  void on_answer(LoadConnection& connection, int status, std::uint64_t bytes) override {
    const auto digest = connection.body_digest();
    if (!std::exchange(is_first_, false)) {
      if (status != answers_.status) return end(fmt::format("the status is now {}, now {}", answers_.status, status));
      if (answers_.bytes != bytes) answers_.bytes.reset();
      if (answers_.digest != digest) answers_.digest.reset();
    } else {
      answers_ = {status, bytes, digest};
    }
    if (--left_ == 0) return end({});
    loop_.post([this] { connection_.ask(request_, plan_.body); });
  }
  void on_failure(LoadConnection&, const std::string& reason) override { end(reason); }
  void on_reconnect() override {}
  void end(const std::string& failure) {
    failure_ = failure;
    loop_.stop();
  }

  const LoadPlan& plan_;
  unsigned left_;
  net::Loop& loop_;
  http::OutgoingRequest request_;
  LoadConnection connection_;
  net::Timer patience_{loop_, [this] { end("no answer in time"); }};
  bool is_first_ = true;
  Answers answers_;
  std::string failure_;
};

}  // namespace

base::Result<Answers> look_at(const LoadPlan& plan, unsigned count) {
  auto endpoint = net::Endpoint::of(plan.address);
  if (!endpoint) return std::unexpected(endpoint.error());
  auto loop = net::Loop::create();
  if (!loop) return std::unexpected(loop.error());
  return Look(plan, count, **loop, *endpoint).run();
}

}  // namespace compare
