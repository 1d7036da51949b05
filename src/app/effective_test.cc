#include "app/effective.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "app/manifest.h"

namespace app {
namespace {

std::string origin_of(const Settings& settings, std::string_view path) {
  for (const auto& setting : settings)
    if (setting.path == path) return std::string(origin_name(setting.origin)) + " " + setting.value;
  return "absent";
}

TEST(Settings, TakeInWhatWasDetectedUnlessTheFileSaysIt) {
  auto settings = Manifest::parse("[web]\napp = \"a:app\"\nstatic = { \"/m\" = \"media\" }\n")->effective();
  set_detected(settings, "web.app", "b:app", "b.py:1");
  EXPECT_EQ(origin_of(settings, "web.app"), "file a:app");
  set_detected(settings, "python", "3.11", ".python-version");
  set_detected(settings, "python", "3.12", ".python-version");
  EXPECT_EQ(origin_of(settings, "python"), "detected 3.12");
  EXPECT_TRUE(is_decided(settings, "web.app"));
  EXPECT_TRUE(is_decided(settings, "python"));
  EXPECT_FALSE(is_decided(settings, "web.health"));
  EXPECT_FALSE(is_decided(settings, "no.such"));
}

TEST(Settings, StayInTheOrderOfTheReferencePage) {
  auto settings = Manifest::parse("[web]\nstatic = { \"/b\" = \"b\" }\n")->effective();
  set_detected(settings, "web.static./c", "c", "x");
  set_detected(settings, "web.static./a", "a", "x");
  set_detected(settings, "processes.mailer", "mail", "Procfile:1");
  std::vector<std::string> paths;
  for (const auto& setting : settings) paths.push_back(setting.path);
  auto at = std::ranges::find(paths, "web.threads");
  ASSERT_NE(at, paths.end());
  EXPECT_EQ(std::vector<std::string>(at + 1, at + 5),
            (std::vector<std::string>{"web.static./a", "web.static./b", "web.static./c", "web.request_timeout"}));
  EXPECT_EQ(*(std::ranges::find(paths, "processes.mailer") - 1), "web.max_body");
}

}  // namespace
}  // namespace app
