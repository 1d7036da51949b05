// control_plane::ReleaseDetails: everything about a release that is not a column of its row; stored as JSON in
// Release::config.
#pragma once

#include <string>

#include "app/config.h"
#include "app/effective.h"
#include "app/interpreter.h"

namespace control_plane {

struct ReleaseDetails {
  app::Config config;
  app::Interpreter interpreter;
  std::string framework;  // "Django 5.2"
  std::string code_digest;
  app::Settings settings;  // for `serai config show`

  std::string to_text() const;
  static base::Result<ReleaseDetails> from_text(const std::string& text);
};

}  // namespace control_plane
