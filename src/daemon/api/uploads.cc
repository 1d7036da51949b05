// POST /v1/uploads: an archive, streamed to ROOT/uploads/<id>/archive. Nothing in it is opened here.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "daemon/api/resources.h"

namespace control_plane::api {
namespace {

constexpr std::uint64_t kMostBytes = 1ULL << 30;

Result<void> receive(Exchange& exchange, const std::filesystem::path& folder) {
  if (auto made = base::make_folders(folder, 0755); !made) return made;
  auto file = base::open((folder / "archive").string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!file) return std::unexpected(file.error());
  return exchange.read_body(kMostBytes, [&](std::string_view bytes) { return base::write_all(file->get(), bytes); });
}

}  // namespace

void add_uploads(Router& router, Resources& resources) {
  router.add("POST", "/v1/uploads", [&](Exchange& exchange, const Parameters&) -> Result<json> {
    auto id = new_id();
    auto folder = resources.services.paths.upload(id);
    if (auto received = receive(exchange, folder); !received) {
      (void)base::remove_tree(folder);
      return base::wrap(received.error(), "receive the upload");
    }
    return json{{"upload", id}};
  });
}

}  // namespace control_plane::api
