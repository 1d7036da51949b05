// control_plane::Paths: the daemon's own places below its root; the rest is environment::Layout's
// (docs/architecture.md, "A root on disk").
#pragma once

#include <filesystem>
#include <string>

#include "environment/layout.h"

namespace control_plane {

struct Paths : environment::Layout {
  explicit Paths(std::filesystem::path root_folder) : environment::Layout{std::move(root_folder)} {}

  std::filesystem::path lock() const { return root / "lock"; }
  std::filesystem::path database() const { return root / "state.db"; }
  std::filesystem::path api_socket() const { return root / "api.sock"; }
  std::filesystem::path edge() const { return root / "edge"; }
  std::filesystem::path trash() const { return root / "trash"; }
  std::filesystem::path uploads() const { return root / "uploads"; }
  std::filesystem::path upload(const std::string& id) const { return uploads() / id; }
  std::filesystem::path releases(const std::string& name) const { return app(name) / "releases"; }
  std::filesystem::path release(const std::string& name, const std::string& folder) const {
    return releases(name) / folder;
  }
  std::filesystem::path code(const std::string& name, const std::string& folder) const {
    return release(name, folder) / "code";
  }
  std::filesystem::path env(const std::string& name) const { return app(name) / "env"; }
  std::filesystem::path builds() const { return root / "builds"; }
  std::filesystem::path build(const std::string& name) const { return builds() / name; }
  std::filesystem::path venv(const std::string& build_name) const { return build(build_name) / "venv"; }
};

}  // namespace control_plane
