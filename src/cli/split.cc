// serai split APP KIND=PERCENT …: the live release in two kinds of environment at once, each with a part of the
// requests.
#include <charconv>
#include <map>
#include <vector>

#include "cli/command.h"
#include "cli/deploy_view.h"

namespace cli {
namespace {

struct Options {
  std::string app;
  std::vector<std::string> shares;
};

// "container=10"
Result<std::pair<std::string, int>> parse_share(const std::string& text) {
  auto equals = text.find('=');
  int percent = 0;
  if (equals != text.npos) {
    auto end = text.data() + text.size();
    auto [rest, error] = std::from_chars(text.data() + equals + 1, end, percent);
    if (error == std::errc() && rest == end) return std::pair(text.substr(0, equals), percent);
  }
  return base::invalid("\"{}\" is no share: write a kind of environment and a number of percent, as in container=10",
                       text);
}

Result<int> split(const Context& context, const Options& options) {
  std::map<std::string, int> shares;
  for (const auto& text : options.shares) {
    auto share = parse_share(text);
    if (!share) return std::unexpected(share.error());
    shares.insert_or_assign(share->first, share->second);
  }
  return follow_deploy(context, context.client().split(options.app, shares));
}

}  // namespace

void add_split(const Parser& parser) {
  auto options = std::make_shared<Options>();
  auto* command =
      add_command(parser, parser.app, "split",
                  "Run the live release in a second kind of environment too and give it a part of the requests; "
                  "all for the app's own kind ends that",
                  "serai split mysite container=10", options, split);
  add_app_argument(command, options->app);
  command
      ->add_option("SHARE", options->shares,
                   "KIND=PERCENT, for shared, dedicated or container; the app's own kind gets the rest")
      ->required();
}

}  // namespace cli
