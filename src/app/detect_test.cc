#include "app/detect.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "app/release.h"
#include "app/test_folder.h"

namespace app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Detection detected(const TestFolder& folder, std::map<std::string, std::string> env = {}) {
  auto detection = detect(folder.open(), {"My Site", std::move(env)});
  EXPECT_TRUE(detection) << detection.error().describe();
  return detection ? std::move(*detection) : Detection();
}
std::string problem(const TestFolder& folder) {
  auto detection = detect(folder.open(), {"x", {}});
  return detection ? "no problem" : detection.error().describe();
}
std::vector<std::string> targets(const Detection& detection) {
  std::vector<std::string> targets;
  for (const auto& candidate : detection.candidates) targets.push_back(candidate.target);
  return targets;
}
std::vector<std::string> lines(const Detection& detection) {
  std::vector<std::string> lines;
  for (const auto& finding : detection.findings)
    lines.push_back(fmt::format("{}: {} ({})", finding.what, finding.value, finding.evidence));
  return lines;
}

TEST(Detect, FindsAnAppObjectAtUsualPlacesBeforeAFactory) {
  TestFolder folder;
  folder.write("shop/__init__.py", "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n");
  EXPECT_THAT(targets(detected(folder)), ElementsAre("shop:create_app()"));
  folder.write("wsgi.py", "from shop import create_app\napp = create_app()\n");
  folder.write("tests/app.py", "app = Flask(__name__)\n");
  auto detection = detected(folder);
  EXPECT_THAT(targets(detection), ElementsAre("wsgi:app", "shop:create_app()"));
  EXPECT_EQ(detection.candidates[0].evidence, "wsgi.py:2 app = create_app()");
  EXPECT_EQ(detection.config.name, "my-site");
}

TEST(Detect, ImportsASrcLayoutFromItsFolder) {
  TestFolder folder;
  folder.write("src/api/main.py", "from fastapi import FastAPI\nservice = FastAPI()\n");
  auto detection = detected(folder);
  EXPECT_THAT(targets(detection), ElementsAre("api.main:service"));
  EXPECT_EQ(detection.candidates[0].app_dir, "src");
}

void write_django(TestFolder& folder, const std::string& root = "") {
  folder.write(root + "manage.py", "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n");
  folder.write(root + "mysite/settings.py",
               "WSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = \"mysite.asgi.application\"\n");
}

TEST(Detect, ReadsBothEntriesOfADjangoSite) {
  TestFolder folder;
  write_django(folder, "site/");
  auto detection = detected(folder);
  EXPECT_THAT(targets(detection), ElementsAre("mysite.wsgi:application", "mysite.asgi:application"));
  EXPECT_EQ(detection.candidates[0].evidence, "site/manage.py:2 → site/mysite/settings.py:1 WSGI_APPLICATION");
  EXPECT_EQ(detection.config.web.folder, "site");
  EXPECT_EQ(detection.config.env.at("DJANGO_SETTINGS_MODULE"), "mysite.settings");
  EXPECT_FALSE(detection.is_explicit);
}

TEST(Detect, PrefersTheSettingsThatTheEntryNames) {
  TestFolder folder;
  folder.write("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings.local')\n");
  folder.write("config/settings/local.py", "from .base import *\n")
      .write("config/settings/production.py", "from .base import *\n");
  folder.write("config/wsgi.py",
               "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings.production')\napplication = "
               "get_wsgi_application()\n");
  EXPECT_EQ(detected(folder).django_settings, "config.settings.production");
  EXPECT_EQ(detected(folder, {{"DJANGO_SETTINGS_MODULE", "config.settings.other"}}).django_settings,
            "config.settings.other");
}

TEST(Detect, FollowsTheProcfile) {
  TestFolder folder;
  write_django(folder);
  folder.write("Procfile",
               "web: gunicorn mysite.wsgi -w 3\nrelease: python manage.py migrate\nmailer: python manage.py mail\n");
  auto detection = detected(folder);
  EXPECT_THAT(targets(detection), ElementsAre("mysite.wsgi:application"));
  EXPECT_TRUE(detection.is_explicit);
  EXPECT_EQ(detection.config.web.workers, 3);
  ASSERT_EQ(detection.config.processes.size(), 1u);
  EXPECT_EQ(detection.config.processes[0].name, "mailer");
  EXPECT_EQ(detection.config.release_phases[0].command, "python manage.py migrate");
}

TEST(Detect, LeavesVariablesOfCommandsToTheirRun) {
  TestFolder folder;
  folder.write("app.py", "app = Flask(__name__)\n").write("Procfile", "release: notify $TOKEN\nmailer: mail $TOKEN\n");
  auto detection = detected(folder, {{"TOKEN", "hunter2"}});
  EXPECT_EQ(detection.config.release_phases[0].command, "notify $TOKEN");
  EXPECT_EQ(to_json(detection).dump().find("hunter2"), std::string::npos);
}

TEST(Detect, LetsSeraiTomlWin) {
  TestFolder folder;
  folder.write("Procfile", "web: gunicorn a:app -w 3\nmailer: x\n");
  folder.write(
      "serai.toml",
      "name = \"shop\"\n[web]\napp = \"b:app\"\nworkers = 5\nstatic = { \"/s\" = \"public\" }\n[processes]\nmailer = "
      "\"y\"\n"
      "[phases]\nrelease = [\"cd db && A=1 python up.py\"]\n[environment]\nvolumes = { media = \"/app/media\" }\n"
      "[allocation]\nmemory = \"256MiB\"\n[env]\nDEBUG = \"0\"\nKEY = { generate = 50 }\n");
  auto detection = detected(folder, {{"WEB_CONCURRENCY", "7"}});
  const auto& config = detection.config;
  EXPECT_EQ(config.name, "shop");
  EXPECT_THAT(targets(detection), ElementsAre("b:app"));
  EXPECT_EQ(config.web.workers, 7);
  EXPECT_EQ(config.processes[0].command, "y");
  EXPECT_EQ(config.static_files.at("/s"), "public");
  EXPECT_EQ(config.release_phases[0].command, "cd db && A=1 python up.py");
  EXPECT_THAT(config.data_folders, ElementsAre("media"));
  EXPECT_EQ(config.limits.memory, 256u << 20);
  EXPECT_EQ(config.env.at("DEBUG"), "0");
  EXPECT_EQ(config.secrets.at("KEY").length, 50u);
}

TEST(Detect, RunsOtherWebCommandsAsGiven) {
  TestFolder folder;
  folder.write("Procfile", "web: datasette serve --port $PORT\n");
  auto detection = detected(folder);
  EXPECT_EQ(detection.config.web.kind, WebProcess::Kind::own);
  EXPECT_TRUE(detection.candidates.empty());
  folder.write("Procfile", "web: gunicorn a:app\n").write("serai.toml", "[web]\nserver = \"own\"\n");
  EXPECT_EQ(detected(folder).config.web.command, "gunicorn a:app");
}

TEST(Detect, TakesOverGunicornsConfigurationFile) {
  TestFolder folder;
  folder.write("Procfile", "web: gunicorn a:app\n")
      .write("gunicorn.conf.py", "workers = 6\ndef on_exit(server): pass\n");
  auto detection = detected(folder);
  EXPECT_EQ(detection.config.web.workers, 6);
  EXPECT_THAT(lines(detection),
              Contains("server option: gunicorn.conf.py:2 on_exit(): gunicorn's hooks are not called (Procfile:1)"));
  folder.write("Procfile", "web: gunicorn -c missing.py a:app\n");
  EXPECT_THAT(problem(folder), HasSubstr("names the file missing.py, which is not in the folder"));
}

TEST(Detect, AllowsFoldersWithBackgroundProcessesOnly) {
  TestFolder folder;
  folder.write("Procfile", "worker: python work.py\n");
  EXPECT_EQ(detected(folder).config.web.kind, WebProcess::Kind::none);
}

TEST(Detect, SaysWhatIsWrongAndWhere) {
  TestFolder folder;
  EXPECT_THAT(problem(folder), HasSubstr("no web app was found"));
  folder.write("serai.toml", "[web]\nhealt = 1\n");
  EXPECT_EQ(problem(folder), "serai.toml:2: unknown key web.healt");
  folder.write("serai.toml", "[processes]\nx = \"a && b\"\n").write("app.py", "app = Flask(__name__)\n");
  EXPECT_THAT(problem(folder), HasSubstr("serai.toml:2: '&&' needs a shell"));
}

TEST(Detect, NeverFollowsALinkOutOfTheFolder) {
  TestFolder folder, outside;
  outside.write("Procfile", "web: gunicorn stolen:app\n");
  std::filesystem::create_symlink(outside.path() / "Procfile", folder.path() / "Procfile");
  EXPECT_THAT(problem(folder), HasSubstr("no web app was found"));
}

Detection after_probe(std::string answer) {
  std::erase(answer, '\n');  // the probe prints one line
  TestFolder folder;
  write_django(folder);
  auto detection = detected(folder);
  auto applied = apply_probe(detection, "noise\nSERAI-EXAMINE {}\nmore\nSERAI-EXAMINE " + answer + "\n");
  EXPECT_TRUE(applied) << applied.error().describe();
  return detection;
}

TEST(Probe, TakesOverWhatADjangoSiteSays) {
  auto detection = after_probe(
      R"({"ok": true, "target": "mysite.wsgi:application", "interface": "wsgi", "reason": "r", "framework": "Django 5.2", "evidence": "e", "app_dir": "",
    "databases": ["/app/data/db.sqlite3", "/tmp/x"], "django": {"settings": "mysite.settings", "databases": [{"alias": "default", "engine": "django.db.backends.sqlite3", "name": "/app/data/db.sqlite3"}],
    "media_root": "/app/media", "static_root": "/app/staticfiles", "static_url": "/static/", "staticfiles": true, "allowed_hosts": ["shop.example.org"], "debug": false}})");
  const auto& config = detection.config;
  EXPECT_EQ(config.web.interface, Interface::wsgi);
  EXPECT_THAT(config.data_files, ElementsAre("data/db.sqlite3"));
  EXPECT_THAT(config.data_folders, ElementsAre("media", "data"));
  EXPECT_EQ(config.static_files.at("/static"), "staticfiles");
  EXPECT_EQ(config.build_phases[0].text, "python manage.py collectstatic --noinput");
  EXPECT_EQ(config.release_phases[0].text, "python manage.py migrate --noinput");
  EXPECT_THAT(lines(detection), Contains(HasSubstr("ALLOWED_HOSTS does not hold my-site.localhost")));
}

TEST(Probe, KeepsAwayFromPathsOutsideTheApp) {
  auto detection = after_probe(
      R"({"ok": true, "target": "a:app", "interface": "wsgi", "framework": "Flask 3", "databases": ["/app/../etc/x.db", "/var/x.db"],
    "flask": {"instance_path": "/app/../../etc", "static_folder": "/venv/lib/static", "static_url_path": "/static", "static_exists": true}})");
  EXPECT_TRUE(detection.config.data_files.empty());
  EXPECT_TRUE(detection.config.data_folders.empty());
  EXPECT_TRUE(detection.config.static_files.empty());
}

TEST(Probe, TellsTheAppsOutputFromItsOwnAnswer) {
  EXPECT_EQ(without_answer("hello\nSERAI-EXAMINE {\"ok\": true}\nbye\n"), "hello\nbye\n");
  EXPECT_EQ(without_answer("Segmentation fault"), "Segmentation fault");
}

TEST(Probe, PassesAFailedImportOn) {
  Detection detection;
  auto failed = apply_probe(
      detection,
      "SERAI-EXAMINE {\"ok\": false, \"tried\": \"importing app\", \"found\": \"ImportError: x\", \"fix\": \"see\"}\n");
  EXPECT_EQ(failed.error().message(), "importing app: ImportError: x");
  EXPECT_THAT(apply_probe(detection, "Segmentation fault").error().message(),
              HasSubstr("ended before it could answer"));
}

TEST(Config, SurvivesStorageAndDecidesTheReleasesId) {
  TestFolder folder;
  folder.write("Procfile", "web: gunicorn a:app -w 3\nmailer: x\nrelease: y\n")
      .write("serai.toml", "[env]\nKEY = { required = true }\n[allocation]\ncpu = 0.5\n");
  ReleaseInputs inputs{"code", "build", "3.11.2", detected(folder).config, {"KEY"}, 1};
  auto stored = config_from_json(nlohmann::json::parse(to_json(inputs.config).dump()));
  ASSERT_TRUE(stored) << stored.error().describe();
  EXPECT_EQ(to_json(*stored), to_json(inputs.config));
  auto id = release_id(inputs);
  EXPECT_EQ(id.size(), 64u);
  EXPECT_EQ(short_id(id), id.substr(0, 6));
  inputs.config.web.workers = 4;
  EXPECT_NE(release_id(inputs), id);
  EXPECT_FALSE(config_from_json(nlohmann::json::parse("{\"name\": 3}")));
}

TEST(Config, BecomesArgumentsOfTheEngine) {
  WebProcess web;
  web.app = "a:app";
  web.interface = Interface::asgi;
  web.workers = 2;
  web.graceful_timeout = std::chrono::milliseconds(1500);
  EXPECT_THAT(engine_arguments(web), ElementsAre("a:app", "--interface", "asgi", "--workers", "2", "--graceful-timeout",
                                                 "1.5", "--max-body", "33554432"));
}

TEST(AppName, IsSafeAsAHostName) {
  EXPECT_EQ(app_name_from("My_Shop 2"), "my-shop-2");
  EXPECT_EQ(app_name_from("--"), "app");
  EXPECT_EQ(app_name_from("ünïcode"), "n-code");
}

}  // namespace
}  // namespace app
