#include "cli/upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <thread>

#include "app/detect.h"
#include "app/manifest.h"
#include "app/pack.h"
#include "base/fd.h"
#include "base/file.h"

namespace cli {
namespace {

std::string size_text(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
}

Result<void> ask_about(const Context& context, app::PackPlan& plan) {
  auto asked = plan.questionable;
  for (const auto& file : asked) {
    auto take = context.ask(fmt::format("Take {} along? ({}, {})", file.path, file.reason, size_text(file.size)));
    if (!take) return std::unexpected(take.error());
    if (*take) plan.take(file.path);
  }
  return {};
}

void print_left_out(const app::PackPlan& plan) {
  auto print = [](const std::string& path, const std::string& reason) {
    std::cerr << "  left out  " << path << "  (" << reason << ")\n";
  };
  constexpr std::size_t most = 12;
  for (std::size_t i = 0; i < plan.left_out.size() && i < most; i++)
    print(plan.left_out[i].path, plan.left_out[i].reason);
  if (plan.left_out.size() > most) std::cerr << "  left out  " << plan.left_out.size() - most << " more\n";
  for (const auto& file : plan.questionable) print(file.path, file.reason);
}

// Packs on a thread of its own into a pipe that the upload reads.
Result<std::string> stream(const Context& context, const std::string& folder, const app::PackPlan& plan) {
  auto pipe = base::pipe();
  if (!pipe) return std::unexpected(pipe.error());
  Result<void> packed;
  std::jthread packer([&] {
    packed = app::pack(folder, plan, [&](std::string_view bytes) { return base::write_all(pipe->write.get(), bytes); });
    pipe->write.close();
  });
  auto id = context.client().upload([&](char* into, std::size_t size) { return ::read(pipe->read.get(), into, size); });
  pipe->read.close();  // an upload that failed early ends the packer's writing
  packer.join();
  if (!id) return id;
  if (!packed) return std::unexpected(packed.error());
  return id;
}

}  // namespace

Result<std::string> app_name(const std::string& folder, const std::string& wish) {
  if (!wish.empty()) return wish;
  std::error_code error;
  auto path = std::filesystem::canonical(folder, error);
  if (error || !std::filesystem::is_directory(path)) {
    return std::unexpected(base::Error(base::Kind::invalid, fmt::format("{} is not a folder", folder),
                                       "name the folder that holds the app"));
  }
  if (auto toml = base::read_file(path / "serai.toml", 1 << 20)) {
    auto manifest = app::Manifest::parse(*toml);
    if (!manifest) return std::unexpected(manifest.error());
    if (auto name = manifest->text("name")) return *name;
  }
  return app::app_name_from(path.filename().string());
}

Result<std::string> pack_and_upload(const Context& context, const std::string& folder) {
  auto plan = app::plan_pack(folder);
  if (!plan) return std::unexpected(plan.error());
  if (auto asked = ask_about(context, *plan); !asked) return std::unexpected(asked.error());
  if (!context.json_output) print_left_out(*plan);
  return stream(context, folder, *plan);
}

Result<std::map<std::string, std::string>> parse_assignments(const std::vector<std::string>& arguments) {
  std::map<std::string, std::string> values;
  for (const auto& argument : arguments) {
    auto equals = argument.find('=');
    if (equals == std::string::npos || equals == 0) {
      return std::unexpected(base::Error(base::Kind::invalid, "a variable without a value was given",
                                         "write KEY=VALUE, for example DEBUG=0"));
    }
    values[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  return values;
}

}  // namespace cli
