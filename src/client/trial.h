// client::Trial: a trial of an app (docs/api.md): its release off the routes in several kinds of environment, to be
// measured. It lasts as long as this object, and ends with this process whatever happens to it.
//
// Blocking; of one thread.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"
#include "client/client.h"

namespace client {

class Trial {
 public:
  // Copies the release and (`with_data`) the data, which may take a while.
  static Result<Trial> begin(const std::filesystem::path& root, const std::string& app, bool with_data);
  Trial(Trial&&) = default;
  Trial& operator=(Trial&&) = default;

  // What the daemon told at the beginning: `trial`, `release`, `host`, `data`, `kinds`, `user`.
  const json& facts() const { return *facts_; }
  // Starts one more; its `placement`, `address` and `stages`. `cold`: without what the kernel has cached of its files.
  Result<json> place(const std::string& kind, bool cold) const;
  Result<void> remove(const std::string& placement) const;
  // From now on only this one runs; empty: none. `app_cpu` and `generator_cpu`, negative where there is no choice.
  Result<json> give_turn(const std::string& placement) const;
  Result<json> measure(const std::string& placement) const;
  Result<json> observe(const std::string& placement) const;
  // Ends it now, also under a call that another thread is in. For signal handlers too.
  void hang_up() const;
  // Waits until everything of it is removed.
  Result<void> end() const;

 private:
  Trial(std::filesystem::path root, base::Fd connection, json facts);
  Result<json> call(const char* method, const std::string& path, const json* body = nullptr) const;
  std::string placement_path(const std::string& placement) const;

  std::filesystem::path root_;
  base::Fd connection_;  // the trial lasts as long as it
  std::shared_ptr<const json> facts_;
};

}  // namespace client
