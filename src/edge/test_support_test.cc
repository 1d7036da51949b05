#include "edge/test_support.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "net/address.h"

namespace edge::test {

TemporaryFolder::TemporaryFolder() {
  std::string name = std::filesystem::temp_directory_path() / "serai-edge-XXXXXX";
  if (!::mkdtemp(name.data())) base::panic("no temporary folder");
  path = name;
}
TemporaryFolder::~TemporaryFolder() { (void)base::remove_tree(path); }

Wire::Wire(base::Fd socket) : socket_(std::move(socket)) { (void)base::set_nonblocking(socket_.get(), true); }

void Wire::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  EXPECT_TRUE(bytes.empty()) << "the socket takes no more";
}

bool Wire::try_send(std::string_view bytes) {
  ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  EXPECT_TRUE(count < 0 || static_cast<std::size_t>(count) == bytes.size()) << "a piece was torn";
  return count > 0;
}

const std::string& Wire::pump() {
  char buffer[65536];
  while (reading_ && !ended_ && socket_.is_open()) {
    ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (count > 0)
      received_.append(buffer, static_cast<std::size_t>(count));
    else if (count < 0 && errno == EAGAIN)
      break;
    else
      ended_ = true;
  }
  return received_;
}

std::string Wire::take() {
  pump();
  return std::exchange(received_, {});
}

bool Wire::is_ended() {
  pump();
  return ended_;
}

void Wire::half_close() { ::shutdown(socket_.get(), SHUT_WR); }

App::App(std::filesystem::path socket) : path(socket), listener_(std::move(*net::listen(net::UnixAddress{socket}))) {}
App::~App() { ::unlink(path.c_str()); }

std::unique_ptr<Wire> App::try_accept() {
  auto accepted = net::accept(listener_.get());
  return accepted && *accepted ? std::make_unique<Wire>(std::move((*accepted)->socket)) : nullptr;
}

EdgeTest::EdgeTest() : loop(std::move(*net::Loop::create())) {
  options.folder = folder.path;
  options.timeouts.sweep = std::chrono::milliseconds(10);
}

void EdgeTest::start() {
  auto created = Server::create(*loop, options);
  ASSERT_TRUE(created) << created.error().describe();
  server = std::move(*created);
}

nlohmann::json EdgeTest::route(const std::string& socket, nlohmann::json more) {
  nlohmann::json app{{"app", "app"}, {"hosts", {"*"}}, {"state", "up"}, {"upstream", {{"unix", socket}}}};
  app.merge_patch(more);
  return app;
}

void EdgeTest::set_routes(std::vector<nlohmann::json> apps) {
  auto applied = server->apply_routes({{"type", "routes"}, {"generation", ++generation}, {"apps", apps}});
  ASSERT_TRUE(applied) << applied.error().describe();
}

std::unique_ptr<Wire> EdgeTest::connect() {
  auto pair = std::move(*base::socketpair(SOCK_STREAM));
  (void)base::set_nonblocking(pair.ours.get(), true);
  server->adopt(std::move(pair.ours));
  return std::make_unique<Wire>(std::move(pair.theirs));
}

std::unique_ptr<Wire> EdgeTest::accept(App& app) {
  std::unique_ptr<Wire> wire;
  EXPECT_TRUE(until([&] { return (wire = app.try_accept()) != nullptr; })) << "the edge did not connect";
  if (!wire) wire = std::make_unique<Wire>(base::Fd());
  return wire;
}

std::string EdgeTest::expect(Wire& wire, std::string_view text) {
  EXPECT_TRUE(until([&] { return wire.pump().find(text) != std::string::npos || wire.is_ended(); }));
  auto came = wire.take();
  EXPECT_NE(came.find(text), std::string::npos) << "waited for " << text << "\ngot: " << came;
  return came;
}

void EdgeTest::settle() {
  for (int i = 0; i < 5; i++) loop->turn(std::chrono::milliseconds(2));
}

}  // namespace edge::test
