#include "app/manifest.h"

#include <gtest/gtest.h>

#include "app/schema.h"

namespace app {
namespace {

std::string problem(std::string_view toml) {
  auto manifest = Manifest::parse(toml);
  if (manifest) return "no problem";
  return manifest.error().describe() + (manifest.error().advice().empty() ? "" : " | " + manifest.error().advice());
}

TEST(Manifest, ReadsEveryKindOfValue) {
  auto manifest = Manifest::parse(R"(name = "shop"
[web]
workers = 3
threads = "auto"
static = { "/static" = "staticfiles" }
request_timeout = "500ms"
max_body = "1GiB"
[processes]
mailer = "python manage.py process_mail"
[allocation]
mode = "static"
cpu = 1
memory = "256MiB"
[routes]
hosts = ["shop.example.org"]
[env]
DEBUG = "0"
SECRET_KEY = { generate = 50 }
DATABASE_URL = { required = true }
)");
  ASSERT_TRUE(manifest) << manifest.error().describe();
  EXPECT_EQ(manifest->text("name"), "shop");
  EXPECT_EQ(manifest->integer("web.workers"), 3);
  EXPECT_EQ(manifest->text("web.threads"), "auto");
  EXPECT_EQ(manifest->table("web.static").at("/static"), "staticfiles");
  EXPECT_EQ(manifest->duration("web.request_timeout"), std::chrono::milliseconds(500));
  EXPECT_EQ(manifest->size("web.max_body"), 1u << 30);
  EXPECT_EQ(manifest->table("processes").at("mailer"), "python manage.py process_mail");
  EXPECT_EQ(manifest->number("allocation.cpu"), 1.0);
  EXPECT_EQ(manifest->list("routes.hosts"), std::vector<std::string>{"shop.example.org"});
  auto variables = manifest->variables();
  EXPECT_EQ(variables.at("DEBUG").value, "0");
  EXPECT_EQ(variables.at("SECRET_KEY").length, 50u);
  EXPECT_EQ(variables.at("DATABASE_URL").kind, Variable::Kind::required);
  EXPECT_EQ(manifest->where("web.workers"), "serai.toml:3");
}

TEST(Manifest, NamesFileLineAndNearestKeyOfAnUnknownKey) {
  EXPECT_EQ(problem("[web]\nhelth = \"/up\"\n"), "serai.toml:2: unknown key web.helth | did you mean web.health?");
  EXPECT_EQ(problem("\nhealth = \"/up\"\n"), "serai.toml:2: unknown key health | did you mean web.health?");
  EXPECT_EQ(problem("[wbe]\n"), "serai.toml:1: unknown key wbe | did you mean web?");
  EXPECT_EQ(problem("qwertyuiop = 1\n"), "serai.toml:1: unknown key qwertyuiop | see docs/serai-toml.md for all keys");
}

TEST(Manifest, SaysWhichTypeAKeyNeeds) {
  EXPECT_EQ(problem("[web]\nrequest_timeout = 30\n"),
            "serai.toml:2: web.request_timeout must be a duration with its unit, such as \"30s\" or \"500ms\", found "
            "the number 30 | "
            "write for example request_timeout = \"30s\"");
  EXPECT_EQ(problem("[env]\nDEBUG = 0\n"),
            "serai.toml:2: env.DEBUG must be a text, { generate = 50 } or { required = true }, found the number 0 | "
            "put the value in quotes: variables are text");
  EXPECT_EQ(problem("web = 1\n"), "serai.toml:1: web must be a table, found the number 1");
  EXPECT_EQ(problem("name = \"My Shop\"\n").substr(0, 46), "serai.toml:1: name must be lower-case letters,");
}

TEST(Manifest, RefusesWhatBelongsToLaterVersions) {
  EXPECT_EQ(problem("[security]\negress = []\n"),
            "serai.toml:2: security.egress is not in this version of Serai | remove it: connections out are allowed");
  EXPECT_EQ(problem("[environment]\nkind = \"kubernetes\"\n"),
            "serai.toml:2: environment.kind = \"kubernetes\" is not in this version of Serai | choose among: shared, "
            "dedicated, container, vm");
  EXPECT_EQ(problem("[allocation]\ncpu = { min = 0.1, max = 2.0 }\n"),
            "serai.toml:2: allocation.cpu as a range is not in this version of Serai | write one number: ranges belong "
            "to dynamic allocation");
  EXPECT_EQ(problem("[[schedule]]\nname = \"digest\"\n").substr(0, 56),
            "serai.toml:1: schedule is not in this version of Serai |");
}

TEST(Manifest, PointsAtTheLineOfBrokenToml) {
  EXPECT_EQ(problem("a = \nb = 2\n").substr(0, 31), "serai.toml:1: not valid TOML: E");
}

TEST(Manifest, RefusesHeadersThatTheTomlParserAssertsAbout) {
  for (auto text : {"[[[a]]]", "[%", "[[", "[", "[a.[b]]"})
    EXPECT_NE(problem(text).find("not valid TOML"), std::string::npos) << text;
}

TEST(Manifest, RefusesKeysOutsideOfAsciiUnlessTheyAreQuoted) {
  EXPECT_NE(problem("\xc3\xa4 = 1\n").find("not valid TOML"), std::string::npos);
  EXPECT_NE(problem("a = 1 \xc3\xa4\n").find("not valid TOML"), std::string::npos);
}

TEST(Manifest, RefusesRoutesThatTheEdgeWouldRefuse) {
  for (std::string path : {"blog", "/a b", "/a?b", "/a#b", "//a", "/a/../b", "/a/..", "/./a", "/a\\u0000"}) {
    auto found = problem("[routes]\npaths = [\"/\", \"" + path + "\"]\n");
    EXPECT_TRUE(found.starts_with("serai.toml:2: routes.paths \"")) << path << ": " << found;
    EXPECT_TRUE(problem("[web.static]\n\"" + path + "\" = \"public\"\n").starts_with("serai.toml:2: web.static."))
        << path;
  }
  for (std::string path : {"/", "/blog", "/blog/", "/a.b/c..d/~e%20"})
    EXPECT_EQ(problem("[routes]\npaths = [\"" + path + "\"]\n"), "no problem");
  EXPECT_NE(problem("[routes]\nhosts = [\"" + std::string(254, 'a') + "\"]\n"), "no problem");
  EXPECT_NE(problem("[web]\nhealth = \"/up HTTP/1.1\"\n"), "no problem");
  EXPECT_EQ(problem("[web]\nrequest_timeout = \"25h\"\n"), "serai.toml:2: web.request_timeout must be at most 1d");
  EXPECT_EQ(problem("[web]\nworkers = 5000\n"), "serai.toml:2: web.workers must be at most 1024");
}

TEST(Manifest, RefusesPathsThatLeaveTheApp) {
  EXPECT_NE(problem("[web]\nstatic = { \"/s\" = \"../etc\" }\n").find("must be a folder inside the app"),
            std::string::npos);
  EXPECT_NE(problem("[environment]\nvolumes = { m = \"/app/../etc\" }\n").find("must be a folder below /app"),
            std::string::npos);
}

TEST(Manifest, KeepsTheFilesValueOverADetectedOneAndTheEnvironmentOverBoth) {
  auto manifest = Manifest::parse("[web]\nworkers = 2\n");
  manifest->set_detected("web.workers", std::int64_t{8}, "Procfile:1");
  manifest->set_detected("web.app", std::string("app:app"), "app.py:3");
  EXPECT_EQ(manifest->integer("web.workers"), 2);
  ASSERT_TRUE(manifest->apply_environment("WEB_CONCURRENCY", "5"));
  EXPECT_EQ(manifest->integer("web.workers"), 5);
  EXPECT_FALSE(manifest->apply_environment("WEB_CONCURRENCY", "many"));
  EXPECT_TRUE(manifest->apply_environment("HOME", "/x"));
}

TEST(Manifest, ShowsEveryEffectiveValueWithItsOriginButNoSecret) {
  auto manifest = Manifest::parse("[env]\nTOKEN = \"hunter2\"\n[web]\nhealth = \"/up\"\n");
  manifest->set_detected("python", std::string("3.11"), ".python-version");
  std::map<std::string, Effective> by_path;
  for (const auto& value : manifest->effective()) by_path[value.path] = value;
  EXPECT_EQ(by_path.at("env.TOKEN").value, "(secret)");
  EXPECT_EQ(by_path.at("web.health").evidence, "serai.toml:4");
  EXPECT_EQ(by_path.at("web.max_body").origin, Origin::standard);
  EXPECT_EQ(by_path.at("python").origin, Origin::detected);
}

TEST(Value, WritesUnitsAsTheyAreRead) {
  EXPECT_EQ(duration_text(*parse_duration("90s")), "90s");
  EXPECT_EQ(duration_text(*parse_duration("1.5h")), "90m");
  EXPECT_EQ(size_text(*parse_size("32MiB")), "32MiB");
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000u);
  EXPECT_FALSE(parse_duration("30"));
  EXPECT_FALSE(parse_size("-1MiB"));
}

}  // namespace
}  // namespace app
