#include "app/server_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/python_source.h"

namespace app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::optional<ServerCommand> recognize(std::string_view text,
                                       const std::map<std::string, std::string>& environment = {},
                                       std::string* why = nullptr) {
  std::string reason;
  auto command = CommandLine::parse(text);
  EXPECT_TRUE(command) << text;
  auto server = recognize_server(*command, lookup_in(environment), why ? *why : reason);
  return server;
}
std::string app_of(std::string_view text) {
  auto server = recognize(text);
  return server ? server->web.app : "own";
}

TEST(ServerCommand, FindsTheAppInEveryUsualForm) {
  EXPECT_EQ(app_of("gunicorn mysite.wsgi"), "mysite.wsgi:application");
  EXPECT_EQ(app_of("gunicorn 'pkg:create_app()' -w 4"), "pkg:create_app()");
  EXPECT_EQ(app_of("/venv/bin/gunicorn -b 0.0.0.0:$PORT app:app"), "app:app");
  EXPECT_EQ(app_of("python -m uvicorn app.main:app --port $PORT"), "app.main:app");
  EXPECT_EQ(app_of("python3.11 -m uvicorn app.main:app"), "app.main:app");
  EXPECT_EQ(app_of("uv run --frozen uvicorn app.main:app"), "app.main:app");
  EXPECT_EQ(app_of("poetry run gunicorn app:app"), "app:app");
  EXPECT_EQ(app_of("hypercorn asgi:pkg.asgi:app -b :8000"), "pkg.asgi:app");
  EXPECT_EQ(app_of("daphne -b 0.0.0.0 -p $PORT mysite.asgi:application"), "mysite.asgi:application");
  EXPECT_EQ(app_of("waitress-serve --listen=*:8000 --call pkg:create_app"), "pkg:create_app");
  EXPECT_EQ(app_of("uwsgi --http :$PORT --wsgi-file src/hello.py --callable app"), "src.hello:app");
  EXPECT_EQ(app_of("flask --app hello run -p $PORT"), "hello");
  EXPECT_EQ(app_of("fastapi run app/main.py --port $PORT"), "app.main");
  EXPECT_EQ(app_of("python manage.py runserver 0.0.0.0:$PORT"), "");
  EXPECT_EQ(app_of("datasette serve --port $PORT"), "own");
  EXPECT_EQ(app_of("python server.py"), "own");
  EXPECT_EQ(app_of("flask --app hello shell"), "own");
}

TEST(ServerCommand, TakesOverOptionsAndNamesTheOthers) {
  auto server = recognize(
      "X=1 gunicorn app:app -w4 --threads=2 -t 90 -k gthread --bind 0.0.0.0:$PORT --max-requests 100 --preload -e A=b "
      "--pythonpath src");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->web.workers, 4);
  EXPECT_EQ(server->web.threads, 2);
  EXPECT_EQ(server->web.request_timeout, std::chrono::seconds(90));
  EXPECT_EQ(server->web.preload, "on");
  EXPECT_EQ(server->web.app_dir, "src");
  EXPECT_EQ(server->web.env, (std::map<std::string, std::string>{{"A", "b"}, {"X", "1"}}));
  EXPECT_THAT(server->ignored, ElementsAre("--bind 0.0.0.0:${PORT}: Serai gives the socket",
                                           "--max-requests 100: workers are replaced when they fail, not by count"));
  EXPECT_THAT(server->understood, Contains("-w 4"));
}

TEST(ServerCommand, KnowsAsgiWorkersAndFactories) {
  EXPECT_EQ(recognize("gunicorn app:app -k uvicorn.workers.UvicornWorker")->web.interface, Interface::asgi);
  EXPECT_EQ(recognize("uvicorn --interface asgi3 app:app")->web.interface, Interface::asgi);
  EXPECT_TRUE(recognize("uvicorn --factory app:create_app --lifespan off --root-path /x")->web.factory);
  EXPECT_EQ(recognize("uvicorn app:app --lifespan off --root-path /x")->web.root_path, "/x");
  auto gevent = recognize("gunicorn app:app -k gevent");
  EXPECT_THAT(gevent->ignored, ElementsAre("-k gevent: requests run on Serai's own threads and event loop"));
}

TEST(ServerCommand, ReadsNumbersFromTheAppsVariables) {
  EXPECT_EQ(recognize("gunicorn app:app -w ${WEB_CONCURRENCY:-3}")->web.workers, 3);
  EXPECT_EQ(recognize("gunicorn app:app -w $WEB_CONCURRENCY", {{"WEB_CONCURRENCY", "5"}})->web.workers, 5);
  auto unknown = recognize("gunicorn app:app -w $WEB_CONCURRENCY");
  EXPECT_FALSE(unknown->web.workers);
  EXPECT_THAT(unknown->ignored, ElementsAre("-w ${WEB_CONCURRENCY}: its value is not known before the start"));
}

TEST(ServerCommand, RunsAsGivenWhenOnlyTheServerItselfWillDo) {
  std::string reason;
  EXPECT_FALSE(recognize("gunicorn --paste development.ini", {}, &reason));
  EXPECT_EQ(reason, "gunicorn's option --paste has no counterpart in Serai's server");
  EXPECT_FALSE(recognize("uvicorn app:app --brand-new-option 3", {}, &reason));
  EXPECT_FALSE(recognize("gunicorn app:app --workers", {}, &reason));
  EXPECT_EQ(reason, "gunicorn's option --workers has no value");
}

TEST(GunicornConfig, GivesWhatTheCommandLineLeftOpen) {
  auto server = recognize("gunicorn -w 2 app:app");
  take_gunicorn_config(*server, R"(
"""Configuration."""
import multiprocessing
workers = 9
threads = 4  # per worker
timeout = 120
bind = "unix:/run/x.sock"
max_requests = multiprocessing.cpu_count() * 2
graceful_timeout = compute()
helper = 3
preload_app = True

def post_fork(server, worker):
    workers = 7
)",
                       "gunicorn.conf.py");
  EXPECT_EQ(server->web.workers, 2);
  EXPECT_EQ(server->web.threads, 4);
  EXPECT_EQ(server->web.request_timeout, std::chrono::seconds(120));
  EXPECT_EQ(server->web.preload, "on");
  EXPECT_THAT(server->understood, Contains("gunicorn.conf.py:5 threads = 4"));
  EXPECT_THAT(server->ignored, Contains("gunicorn.conf.py:7 bind: Serai gives the socket"));
  EXPECT_THAT(server->ignored,
              Contains("gunicorn.conf.py:9 graceful_timeout: it is computed; write a number, or [web] in serai.toml"));
  EXPECT_THAT(server->ignored, Contains("gunicorn.conf.py:13 post_fork(): gunicorn's hooks are not called"));
}

TEST(UwsgiIni, GivesTheApp) {
  auto server = recognize("uwsgi --ini uwsgi.ini");
  ASSERT_TRUE(server);
  EXPECT_EQ(server->config_file, "uwsgi.ini");
  take_uwsgi_ini(*server,
                 "[other]\nmodule = no\n[uwsgi]\n; comment\nmodule = mysite.wsgi\nprocesses = 3\nharakiri = 20\nsocket "
                 "= /tmp/x\nvenv = %(base)/venv\ncron2 = x\n",
                 "uwsgi.ini");
  EXPECT_EQ(server->web.app, "mysite.wsgi:application");
  EXPECT_EQ(server->web.workers, 3);
  EXPECT_EQ(server->web.request_timeout, std::chrono::seconds(20));
  EXPECT_THAT(server->ignored, Contains("uwsgi.ini:10 cron2 = x: uWSGI's own"));
}

TEST(PythonSource, SeesStatementsAtTheTopLevelOnly) {
  auto source = PythonSource::parse(R"(from flask import Flask
import os, sys
"""
fake = Flask(__name__)
"""
app: Flask = Flask(
    __name__,
other = 3)
name = 'x # not a comment'  # a comment
if True:
    inner = 1
async def create_app():
    pass
class Thing: pass
)");
  EXPECT_THAT(source.imports, ElementsAre("flask", "os", "sys"));
  ASSERT_EQ(source.assignments.size(), 2u);
  EXPECT_EQ(source.assignments[0].name, "app");
  EXPECT_EQ(source.assignments[0].line, 6);
  EXPECT_EQ(*source.assignments[1].literal, "x # not a comment");
  EXPECT_TRUE(source.defines("create_app"));
  EXPECT_TRUE(source.definitions[1].is_class);
}

TEST(PythonSource, FindsTheTextThatFollowsAName) {
  auto found = find_text_after("import os\nos.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", 'site.settings')\n",
                               "DJANGO_SETTINGS_MODULE");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->text, "site.settings");
  EXPECT_EQ(found->line, 2);
  EXPECT_EQ(find_text_after("os.environ['A'] = \"b\"", "A")->text, "b");
  EXPECT_FALSE(find_text_after("A = compute('b')", "A"));
  EXPECT_FALSE(find_text_after("nothing", "A"));
}

}  // namespace
}  // namespace app
