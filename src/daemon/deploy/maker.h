// control_plane::Maker: makes a release from an upload: detect, python, build, import, prepare, release, phase.
// docs/life-of-a-deploy.md tells the steps. What it makes is findable from the journal's record, so that `undo`
// (undo.h) can take it back at any point. Of one thread.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "app/detect.h"
#include "daemon/deploy/journal.h"
#include "daemon/deploy/request.h"
#include "daemon/services.h"
#include "daemon/specs.h"

namespace control_plane {

class Maker {
 public:
  Maker(Services& services, Journal& journal, DeployRequest request)
      : services_(services), journal_(journal), request_(std::move(request)) {}

  // The steps until it is known how the app runs.
  Result<void> detect();
  // The steps from there until the release is in the store and its release phase has run.
  Result<void> release();
  const app::Detection& detection() const { return *detection_; }

 private:
  Result<void> find_values();
  Result<void> read_upload();
  void tell_detection();
  Result<void> choose_kind();
  Result<void> choose_python();
  Result<void> build();
  Result<void> run_build(const app::BuildPlan& plan, const std::filesystem::path& folder);
  Result<void> furnish();
  Result<void> pin_base();
  Result<void> ask_the_app();
  Result<void> fill_in_secrets();
  Result<void> check_routes();
  Result<void> keep_values();
  Result<void> prepare_code();
  std::set<std::string> files_in_data_folders();
  Result<void> remove_made_data(const std::set<std::string>& before);
  Result<void> add_release();
  Result<void> run_release_phase();
  Result<void> run_phases(const std::vector<app::Phase>& phases, environment::View view, app::Stage stage);
  Result<environment::RunResult> run(environment::RunSpec spec, app::Stage stage, const std::string& what);
  Result<std::optional<Release>> live_release();
  void keep_log(app::Stage stage, const std::string& what, const environment::RunResult& result);
  void tell_adoption(const environment::Adoption& adoption, const std::vector<std::string>& made_data);
  std::filesystem::path upload_code() const { return services_.paths.upload(journal_.record().upload) / "code"; }

  Services& services_;
  Journal& journal_;
  DeployRequest request_;
  Variables values_;     // in force: the live release's, then the request's, then generated ones
  int env_version_ = 0;  // of the live release
  bool values_changed_ = false;
  std::optional<app::Detection> detection_;
  Runnable runnable_;
  std::string build_digest_, release_digest_;
};

// "Django 5.2 · WSGI · mysite.wsgi:application".
std::string describe_web(const std::string& framework, const app::WebProcess& web);

}  // namespace control_plane
