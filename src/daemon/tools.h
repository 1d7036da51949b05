// control_plane::Tools: what lies in lib/serai (engines, uv, serai-instance) and the interpreters of this host.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/interpreter.h"
#include "environment/spec.h"

namespace control_plane {

class Tools {
 public:
  explicit Tools(std::filesystem::path library) : library_(std::move(library)) {}

  std::filesystem::path instance_program() const { return library_ / "serai-instance"; }
  std::filesystem::path uv_folder() const { return library_ / "tools"; }
  std::filesystem::path engine(const std::string& cache_tag) const { return library_ / "engine" / cache_tag; }
  std::vector<std::string> engine_tags() const;
  std::vector<app::Interpreter> interpreters() const { return app::find_interpreters(app::default_search()); }

 private:
  std::filesystem::path library_;
};

}  // namespace control_plane
