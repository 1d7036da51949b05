// environment::Layout: where things lie below one root folder (docs/architecture.md, "A root on disk").
#pragma once

#include <filesystem>
#include <string>

namespace environment {

struct Layout {
  std::filesystem::path root;

  std::filesystem::path app(const std::string& app) const { return root / "apps" / app; }
  std::filesystem::path data(const std::string& a) const { return app(a) / "data"; }
  std::filesystem::path home(const std::string& a) const { return app(a) / "home"; }
  std::filesystem::path cache(const std::string& a) const { return app(a) / "cache"; }
  std::filesystem::path logs(const std::string& a) const { return app(a) / "logs"; }
  std::filesystem::path log(const std::string& a, const std::string& process) const {
    return logs(a) / (process + ".log");
  }
  // What is kept for the app: data folders and files, and who needs which mount point.
  std::filesystem::path kept_record(const std::string& a) const { return app(a) / "kept.json"; }
  std::filesystem::path images() const { return root / "images"; }
  std::filesystem::path machines() const { return root / "vm"; }
  std::filesystem::path instances() const { return root / "instances"; }
  std::filesystem::path instance(const std::string& id) const { return instances() / id; }
  // Root's alone: what the app writes is in it, for nobody else on the host to see.
  std::filesystem::path own(const std::string& id) const { return instance(id) / "own"; }
  std::filesystem::path tmp(const std::string& id) const { return own(id) / "tmp"; }
  std::filesystem::path var_tmp(const std::string& id) const { return own(id) / "var-tmp"; }
  std::filesystem::path control_socket(const std::string& id) const { return instance(id) / "control.sock"; }
  std::filesystem::path app_socket(const std::string& id) const { return instance(id) / "app.sock"; }
};

}  // namespace environment
