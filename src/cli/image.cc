// serai image build|export|push: the OCI image of an app's live release; serai image refresh: the base of them all.
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"
#include "image/layout.h"
#include "image/skopeo.h"

namespace cli {
namespace {

struct Options {
  std::string app, to;
  std::string format = "oci";
  image::Access access;
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
  using Format = image::Export::Format;
  auto image = context.client().build_image(options.app);
  if (!image) return std::unexpected(image.error());
  auto digest = image->value("digest", "");
  auto exported = image::export_image({.layout = image->value("layout", ""),
                                       .name = image->value("image", ""),
                                       .manifest = digest.substr(digest.find(':') + 1),
                                       .format = options.format == "oci" ? Format::oci : Format::docker_archive},
                                      options.to);
  if (!exported) return base::wrap(exported.error(), "export the image of " + options.app);
  (*image)["file"] = options.to;
  return print(context, Result<json>(*image), [&](const json& value) {
    std::cout << value.value("image", "") << " is in " << options.to << "  " << digest << '\n';
  });
}

Result<int> push(const Context& context, const Options& options) {
  auto to = app::ImageReference::parse(options.to);
  if (!to) return std::unexpected(to.error());
  if (!to->digest.empty())
    return base::invalid("push to {}: a digest is what the image has, not where it goes", options.to);
  auto image = context.client().build_image(options.app);
  if (!image) return std::unexpected(image.error());
  auto pushed = image::push_image({.layout = image->value("layout", ""),
                                   .name = image->value("image", ""),
                                   .to = *to,
                                   .access = options.access,
                                   .progress_fd = context.on_terminal() ? 1 : -1});
  if (!pushed) return std::unexpected(pushed.error());
  (*image)["reference"] = to->to_string();
  return print(context, Result<json>(*image), [](const json& value) {
    std::cout << value.value("image", "") << " is " << value.value("reference", "") << "  " << value.value("digest", "")
              << '\n';
  });
}

Result<int> refresh(const Context& context, const Options&) {
  return print(context, context.client().refresh_images(), [](const json& value) {
    std::cout << "the base has today's packages  " << value.value("digest", "") << "\n"
              << "instances that are started from now on have it: serai restart APP\n";
  });
}

}  // namespace

void add_image(const Parser& parser) {
  auto* group = parser.app.add_subcommand(
      "image", "Make, export and push the OCI image of an app's live release; refresh the base of all");
  group->fallthrough()->require_subcommand(1);
  group->footer("Example:\n  serai image export mysite mysite.tar");
  auto options = std::make_shared<Options>();
  auto* make = add_command(parser, *group, "build", "Make the image, and show its layers and its digest",
                           "serai image build mysite", options, build);
  auto* out = add_command(parser, *group, "export",
                          "Write the image to a new folder or file: an OCI layout, or an archive for docker load",
                          "serai image export mysite mysite.tar", options, export_to);
  auto* up = add_command(parser, *group, "push",
                         "Upload the image to a registry, by skopeo: of its layers those that the registry lacks",
                         "serai image push mysite registry.example.org/team/mysite:r7", options, push);
  add_command(parser, *group, "refresh", "Make the base of all images anew, with the packages of today",
              "serai image refresh", options, refresh);
  for (auto* command : {make, out, up}) add_app_argument(command, options->app);
  out->add_option("to", options->to, "The folder, or the file NAME.tar; neither may be there yet")->required();
  out->add_option("--format", options->format, "oci (the default), or docker-archive: one file for docker load")
      ->check(CLI::IsMember({"oci", "docker-archive"}));
  up->add_option("reference", options->to, "Where to: REGISTRY/NAME:TAG; without a tag: latest")->required();
  up->add_option("--authfile", options->access.authfile, "Credentials as `skopeo login --authfile` wrote them");
  up->add_flag("--insecure,--plain-http", options->access.insecure,
               "Do not check the registry's certificate, and speak plain HTTP where it has none");
}

}  // namespace cli
