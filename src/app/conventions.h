// Where Python web projects keep their app, by convention. Reads files only. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/detect.h"
#include "app/folder.h"

namespace app {

struct DjangoProject {
  std::string manage;                 // path of manage.py
  std::string root;                   // its folder: "" or "src"
  std::string settings;               // module
  std::string evidence;               // where the settings module is named
  std::vector<Candidate> candidates;  // WSGI and ASGI entries that the project names, WSGI first
};
// The shallowest manage.py that names a settings module. `settings_override`: DJANGO_SETTINGS_MODULE of the app's
// environment.
std::optional<DjangoProject> find_django(const Folder& folder, const std::optional<std::string>& settings_override);

// App objects and factories at usual places (app.py, main.py, package/__init__.py, …), best first, at most ten.
std::vector<Candidate> find_candidates(const Folder& folder);

// "FastAPI" of `FastAPI(title="x")`; empty when the expression makes no app that is known.
std::string framework_of_expression(std::string_view expression);

}  // namespace app
