// serai image build|export: the OCI image of an app's live release.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"
#include "image/layout.h"

namespace cli {
namespace {

struct Options {
  std::string app, to;
};

std::string megabytes(std::uint64_t bytes) { return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6); }

void show(const json& value) {
  std::cout << value.value("image", "") << "  " << value.value("digest", "") << '\n';
  Table table({"layer", "size", "digest"});
  for (const auto& layer : value.value("layers", json::array()))
    table.add({layer.value("name", ""), megabytes(layer.value("size", std::uint64_t{0})), layer.value("digest", "")});
  table.print(std::cout);
}

Result<int> build(const Context& context, const Options& options) {
  return print(context, context.client().build_image(options.app), show);
}

Result<int> export_to(const Context& context, const Options& options) {
  auto image = context.client().build_image(options.app);
  if (!image) return std::unexpected(image.error());
  auto digest = image->value("digest", "");
  auto exported = image::export_image(image->value("layout", ""), image->value("image", ""),
                                      digest.substr(digest.find(':') + 1), options.to);
  if (!exported) return base::wrap(exported.error(), "export the image of " + options.app);
  (*image)["file"] = options.to;
  return print(context, Result<json>(*image), [&](const json& value) {
    std::cout << value.value("image", "") << " is in " << options.to << "  " << digest << '\n';
  });
}

}  // namespace

void add_image(const Parser& parser) {
  auto* group = parser.app.add_subcommand("image", "Make and export the OCI image of an app's live release");
  group->fallthrough()->require_subcommand(1);
  group->footer("Example:\n  serai image export mysite mysite.tar");
  auto options = std::make_shared<Options>();
  auto* make = add_command(parser, *group, "build", "Make the image, and show its layers and its digest",
                           "serai image build mysite", options, build);
  auto* out = add_command(parser, *group, "export",
                          "Write the image as an OCI layout: to a new folder, or to one archive NAME.tar",
                          "serai image export mysite mysite.tar", options, export_to);
  for (auto* command : {make, out}) add_app_argument(command, options->app);
  out->add_option("to", options->to, "The folder, or the file NAME.tar; neither may be there yet")->required();
}

}  // namespace cli
