// control_plane::EdgeKeeper: starts the edge or adopts a running one, hands it its listening sockets, and starts it
// again when it dies. It keeps copies of the sockets, so connections wait in the kernel meanwhile and none is refused.
// Thread-safe.
#pragma once

#include <filesystem>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/child.h"
#include "control/blocking_channel.h"
#include "daemon/certificates.h"
#include "daemon/front.h"
#include "environment/identity.h"

namespace control_plane {

struct EdgeOptions {
  std::filesystem::path folder;     // ROOT/edge
  std::vector<std::string> listen;  // net::parse_address forms
  std::vector<std::string> listen_tls;
  std::vector<tls::KeyPairFiles> certificates;
  environment::Identity identity;      // whom the edge runs as
  std::vector<std::string> arguments;  // options of `serai edge` besides; for the next edge that is started
};

class EdgeKeeper final : public Front {
 public:
  // Adopts the edge of this folder, or starts one. Addresses that a running edge does not listen on yet are added.
  static base::Result<std::unique_ptr<EdgeKeeper>> start(EdgeOptions options);
  // Leaves the edge running.
  ~EdgeKeeper() override;

  base::Result<void> apply(const nlohmann::json& routes) override;
  base::Result<Traffic> traffic(const std::string& app) override;
  std::vector<std::string> addresses() const override;
  base::Result<nlohmann::json> counters();
  // Gives the edge the certificates that are on disk now; broken ones leave it as it is. It is done by itself, too,
  // when the files change.
  void renew_certificates();
  // Drains the edge and waits for its end.
  base::Result<void> stop();

 private:
  explicit EdgeKeeper(EdgeOptions options) : options_(std::move(options)), certificates_(options_.certificates) {}
  base::Result<void> adopt_or_spawn();
  base::Result<void> adopt();
  base::Result<void> listen_where_missing();
  base::Result<void> open_missing(const std::vector<std::string>& listen, bool secure);
  base::Result<void> hand_over(std::size_t from);
  base::Result<void> give_certificates();
  base::Result<void> spawn();
  base::Result<void> hand_over_sockets();
  base::Result<control::Message> ask(control::Message message);
  void watch();
  void rotate_logs();
  bool certificates_have_changed();
  void revive();

  EdgeOptions options_;
  mutable std::mutex mutex_;
  std::optional<control::BlockingChannel> channel_;
  std::vector<base::Fd> sockets_;
  std::vector<std::string> addresses_;  // of the sockets
  std::vector<bool> secure_;            // which of them are for TLS
  Certificates certificates_;
  std::string certificates_text_;  // the last message that the edge has taken; empty: none
  std::string routes_;             // the last table, as text; empty: none yet
  base::Child child_;              // when we started it ourselves
  base::Fd adopted_;               // pidfd of an edge that an earlier daemon started
  std::uint64_t questions_ = 0;
  base::Fd stop_;  // eventfd: ends the watching thread
  std::thread watcher_;
};

}  // namespace control_plane
