#include "daemon/env_file.h"

#include <sys/random.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace control_plane {
namespace {

std::filesystem::path file_of(const std::filesystem::path& folder, int version) {
  return folder / (std::to_string(version) + ".json");
}

bool is_name(const std::string& name) {
  auto good = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) && std::ranges::all_of(name, good);
}

}  // namespace

base::Result<void> write_env_file(const std::filesystem::path& folder, int version, const Variables& values) {
  if (auto made = base::make_folders(folder, 0700); !made) return made;
  return base::write_file_atomically(file_of(folder, version), nlohmann::json(values).dump(), 0600);
}

base::Result<Variables> read_env_file(const std::filesystem::path& folder, int version) {
  if (version == 0) return Variables{};
  auto text = base::read_file(file_of(folder, version));
  if (!text) return base::wrap(text.error(), "read the app's variables");
  auto values = nlohmann::json::parse(*text, nullptr, false);
  if (!values.is_object()) return base::fail(base::Kind::internal, "the file of env set {} is damaged", version);
  return values.get<Variables>();
}

base::Result<std::string> generate_secret(std::size_t length) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";  // 64
  std::string secret(length, '\0');
  for (std::size_t filled = 0; filled < length;) {
    auto n = ::getrandom(secret.data() + filled, length - filled, 0);
    if (n < 0 && errno != EINTR) return base::errno_error("generate a secret");
    if (n > 0) filled += static_cast<std::size_t>(n);
  }
  for (auto& c : secret) c = letters[static_cast<unsigned char>(c) % letters.size()];
  return secret;
}

base::Result<void> check_variables(const Variables& values) {
  for (const auto& [name, value] : values) {
    if (!is_name(name)) return base::invalid("set a variable: {} is no variable name", name);
    if (value.find('\0') != std::string::npos) return base::invalid("set {}: its value holds a NUL byte", name);
    for (std::string_view ours : {"PORT", "HOST", "LD_PRELOAD", "SERAI_CONTROL_FD"}) {
      if (name == ours) {
        return std::unexpected(
            base::Error(base::Kind::invalid, fmt::format("set {}: Serai sets it itself", name), "choose another name"));
      }
    }
  }
  return {};
}

}  // namespace control_plane
