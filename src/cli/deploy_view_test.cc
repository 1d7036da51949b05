#include "cli/deploy_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace cli {
namespace {

std::string shown(const std::vector<json>& events, int* exit_code = nullptr) {
  std::ostringstream out;
  DeployView view(out, false, false);
  for (const auto& event : events) view.show(event);
  if (exit_code) *exit_code = view.exit_code();
  return out.str();
}

TEST(DeployView, AlignsStepsAndNotes) {
  EXPECT_EQ(shown({{{"event", "step"}, {"step", "build"}, {"state", "started"}},
                   {{"event", "step"},
                    {"step", "build"},
                    {"state", "done"},
                    {"text", "42 packages from uv.lock"},
                    {"note", "1.8 s"}}}),
            "  build     42 packages from uv.lock                            1.8 s\n");
}

TEST(DeployView, EndsASuccessWithTheAddress) {
  int code = 1;
  EXPECT_EQ(shown({{{"event", "done"}, {"text", "Live at http://shop.localhost"}}}, &code),
            "  Live at http://shop.localhost\n");
  EXPECT_EQ(code, 0);
}

TEST(DeployView, ExplainsAFailure) {
  int code = 0;
  auto text = shown({{{"event", "failed"},
                      {"step", "phase"},
                      {"found", "migrate ended with exit status 1"},
                      {"output", "one\ntwo"},
                      {"cause", "the database is locked"},
                      {"advice", "stop the other writer"},
                      {"still_serving", "r6 keeps serving"}}},
                    &code);
  EXPECT_EQ(text,
            "  phase     failed  migrate ended with exit status 1\n\n    | one\n    | two\n\n  cause     the database "
            "is locked\n"
            "  to do     stop the other writer\n  r6 keeps serving\n");
  EXPECT_EQ(code, 1);
}

TEST(Context, DescribesAnErrorInThreeLines) {
  base::Error error(base::Kind::unavailable, "nobody answers on /run/api.sock", "start the daemon");
  error.add_context("reach the daemon").add_context("deploy shop");
  EXPECT_EQ(describe_for_people(error),
            "serai: deploy shop: reach the daemon\n  nobody answers on /run/api.sock\n  start the daemon");
}

TEST(DurationText, ChoosesTheUnit) {
  EXPECT_EQ(duration_text(212), "212 ms");
  EXPECT_EQ(duration_text(1800), "1.8 s");
  EXPECT_EQ(duration_text(125'000), "2 min 5 s");
}

}  // namespace
}  // namespace cli
