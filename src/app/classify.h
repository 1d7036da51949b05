// The cause of a failed step and what to do, read from its output.
#pragma once

#include <string>
#include <string_view>

namespace app {

enum class Stage { build, detect, build_phase, release_phase, launch };

struct Diagnosis {
  std::string_view code;  // stable: "module-not-found", "no-matching-distribution"; "unknown" when nothing matched
  std::string cause;      // one sentence with the particulars: "module 'requests' is imported but not installed"
  std::string advice;     // one sentence: "add requests to pyproject.toml and update uv.lock (uv add requests)"
  std::string excerpt;    // the lines of the output that matter, at most 20
};

// `lock` is the file that the dependencies come from; without one, advice names requirements.txt.
Diagnosis classify(Stage stage, std::string_view output, std::string_view lock = "");

}  // namespace app
