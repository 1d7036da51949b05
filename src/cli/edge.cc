// serai edge: the front door in the foreground. The daemon starts it; by hand it serves the routes of its folder.
#include <iostream>

#include "base/log.h"
#include "cli/certificates.h"
#include "cli/command.h"
#include "cli/edge_limits.h"
#include "edge/options.h"

namespace cli {
namespace {

struct Options {
  edge::Options edge;
  CertificateOptions certificates;
  EdgeLimits limits;
  std::string log_format = "text", access_log_format = "text";
};

Result<int> run_edge(const Context& context, const Options& options) {
  auto format = [](const std::string& name) { return name == "json" ? base::LogFormat::json : base::LogFormat::text; };
  base::set_log_format(format(options.log_format));
  auto edge_options = options.edge;
  apply(options.limits, edge_options);
  edge_options.access_log_format = format(options.access_log_format);
  auto certificates = pair_up(options.certificates, !options.edge.listen_tls.empty());
  if (!certificates) return std::unexpected(certificates.error());
  edge_options.certificates = std::move(*certificates);
  if (edge_options.folder.empty()) edge_options.folder = std::filesystem::path(context.root) / "edge";
  auto done = edge::run(edge_options);
  if (!done) return std::unexpected(done.error());
  return 0;
}

}  // namespace

void add_edge(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command =
      add_command(parser, parser.app, "edge", "Run the front door in the foreground (the daemon starts it itself)",
                  "serai edge --listen :8080", options, run_edge);
  command->add_option("--folder", options->edge.folder, "Its folder (default: ROOT/edge)");
  command->add_option("--listen", options->edge.listen, "HOST:PORT or :PORT (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--listen-tls", options->edge.listen_tls, "The same for TLS; needs --certificate (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
  add_certificate_options(*command, options->certificates);
  command
      ->add_option("--trusted-proxy", options->edge.trusted_proxies,
                   "An address range whose forwarded headers are believed (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false);
  add_edge_limits(*command, options->limits);
  auto formats = CLI::IsMember({"text", "json"});
  command->add_option("--log-format", options->log_format, "text or json")->check(formats);
  command->add_option("--access-log-format", options->access_log_format, "text or json")->check(formats);
}

}  // namespace cli
