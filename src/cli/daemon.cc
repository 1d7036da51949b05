// serai daemon: the control plane, in the foreground; serai daemon stop.
#include "daemon/daemon.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "cli/certificates.h"
#include "cli/command.h"
#include "cli/edge_limits.h"

namespace cli {
namespace {

struct Options {
  control_plane::Options daemon;
  CertificateOptions certificates;
  EdgeLimits limits;
  std::string log_format = "text";
  bool everything = false;
};

Result<int> run_daemon(const Context& context, const Options& options) {
  base::set_log_format(options.log_format == "json" ? base::LogFormat::json : base::LogFormat::text);
  auto daemon_options = options.daemon;
  daemon_options.root = context.root;
  daemon_options.edge_limits = arguments(options.limits);
  auto certificates = pair_up(options.certificates, !options.daemon.listen_tls.empty());
  if (!certificates) return std::unexpected(certificates.error());
  daemon_options.certificates = std::move(*certificates);
  auto done = control_plane::run(daemon_options);
  if (!done) return std::unexpected(done.error());
  return 0;
}

Result<int> stop(const Context& context, const Options& options) {
  return print(context, context.client().stop_host(options.everything), [&](const json&) {
    std::cout << (options.everything ? "  the apps, the edge and the daemon are stopping\n"
                                     : "  the daemon is stopping; edge and apps go on\n");
  });
}

}  // namespace

void add_daemon(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command = add_command(parser, parser.app, "daemon", "Run the control plane in the foreground",
                              "serai daemon --root /var/lib/serai --listen :80", options,
                              [&parser](const Context& context, const Options& o) { return run_daemon(context, o); });
  command
      ->add_option("--listen", options->daemon.listen,
                   "Where the edge listens: HOST:PORT or :PORT (repeatable; default :80)")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--listen-tls", options->daemon.listen_tls, "The same for TLS; needs --certificate (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
  add_certificate_options(*command, options->certificates);
  command
      ->add_option("--trusted-proxy", options->daemon.trusted_proxies,
                   "An address range whose forwarded headers the edge believes (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
  add_edge_limits(*command, options->limits);
  command->add_option("--access-log-format", options->daemon.access_log_format, "Of the edge: text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("--log-format", options->log_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->add_option("--crash-at", options->daemon.crash_at, "For tests: end like kill -9 at this step")->group("");
  auto* stop_command = add_command(parser, *command, "stop", "End the daemon; edge and apps go on serving",
                                   "serai daemon stop --all", options, stop);
  stop_command->add_flag("--all", options->everything, "End the edge and every app too");
}

}  // namespace cli
