// From a release to what the environment starts: argument vectors, variables, limits. Pure.
#pragma once

#include <string>
#include <vector>

#include "app/build.h"
#include "daemon/env_file.h"
#include "daemon/paths.h"
#include "daemon/release_details.h"
#include "daemon/tools.h"
#include "environment/spec.h"
#include "image/layout.h"

namespace control_plane {

// A release on its way into an environment.
struct Runnable {
  std::string app;
  environment::Kind kind = environment::Kind::shared;
  std::filesystem::path code, venv;
  ReleaseDetails details;
  Variables values;  // the env set's values
};

environment::Parts parts_of(const Runnable& runnable, const Tools& tools);
// What every process of the app gets: Python's defaults, plain values, then the env set.
environment::Variables variables_of(const Runnable& runnable);
allocation::Limits limits_of(const app::Config& config);
// `port` is where a program that brings its own server listens; 0 for our engine.
base::Result<environment::InstanceSpec> instance_spec(const Runnable& runnable, const Tools& tools,
                                                      const std::string& id, std::uint16_t port);
// One command of the app, in its view.
environment::RunSpec run_spec(const Runnable& runnable, const Tools& tools, environment::View view,
                              std::vector<std::string> argv);
// One command of the build or release phase.
base::Result<environment::RunSpec> phase_spec(const Runnable& runnable, const Tools& tools, environment::View view,
                                              const app::Phase& phase);
// One step of a build, with the daemon's own proxy and index settings (HTTPS_PROXY, UV_INDEX_URL, SSL_CERT_FILE, …).
environment::RunSpec build_step_spec(const Runnable& runnable, const Tools& tools, const app::BuildStep& step);
// How the image of a release starts where Serai does not run: the web process on all addresses, without secrets.
// Kind::unsupported when there is none.
base::Result<image::Config> image_config(const Runnable& runnable, const Tools& tools);
// What that image is called in the layout: "mysite:r7".
std::string image_name(const std::string& app, int release);
environment::Listen listen_of(const app::WebProcess& web);

}  // namespace control_plane
