#include "app/release.h"

#include <nlohmann/json.hpp>

#include "app/digest.h"

namespace app {

std::string release_id(const ReleaseInputs& inputs) {
  nlohmann::json object = {{"code", inputs.code_digest},     {"build", inputs.build_digest},
                           {"python", inputs.python},        {"config", to_json(inputs.config)},
                           {"secrets", inputs.secret_names}, {"secret_revision", inputs.secret_revision}};
  // nlohmann's objects are sorted by key, and dump() writes no spaces: the same inputs give the same bytes.
  return sha256_hex(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string short_id(const std::string& id) { return id.substr(0, 6); }

}  // namespace app
