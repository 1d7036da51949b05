#include "app/classify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Case {
  Stage stage;
  std::string_view output, code, cause;
};

TEST(Classify, NamesCauseAndFixOfWhatUvAndPythonPrint) {
  for (const auto& one : {
           Case{Stage::build,
                "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of flask==99 "
                "and you require flask==99, we can conclude",
                "no-matching-distribution", "flask==99"},
           Case{Stage::build, "  ╰─▶ Because nosuchpkg was not found in the package registry and you require nosuchpkg",
                "no-such-package", "nosuchpkg"},
           Case{Stage::build, "error: Hash mismatch for `flask==3.0.0`\n\nExpected:", "hash-mismatch", "flask==3.0.0"},
           Case{Stage::build, "src/x.c:1:10: fatal error: ffi.h: No such file or directory", "missing-header", "ffi.h"},
           Case{Stage::build, "error: command 'gcc' failed: No such file or directory", "missing-compiler", "gcc"},
           Case{Stage::build, "  Caused by: dns error: failed to lookup address information: Name or service not known",
                "network-unreachable", "does not resolve"},
           Case{Stage::build, "OSError: [Errno 28] No space left on device", "disk-full", "disk is full"},
           Case{Stage::build,
                "error: The requested interpreter resolved to Python 3.11.2, which is incompatible with the project's "
                "Python requirement: `>=3.13`",
                "wrong-python", "needs Python >=3.13"},
           Case{Stage::detect,
                "Traceback (most recent call last):\n  File \"app.py\", line 1, in <module>\nModuleNotFoundError: No "
                "module named 'requests'",
                "module-not-found", "requests"},
           Case{Stage::launch, "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
                "missing-variable", "SECRET_KEY"},
           Case{Stage::launch,
                "  File \"<frozen os>\", line 679, in __getitem__\n    x = os.environ['API_KEY']\nKeyError: 'API_KEY'",
                "missing-variable", "API_KEY"},
           Case{Stage::launch, "    x = table['a']\nKeyError: 'a'", "python-exception", "KeyError: 'a'"},
           Case{Stage::release_phase, "django.db.utils.OperationalError: no such table: shop_item", "missing-table",
                "shop_item"},
           Case{Stage::release_phase,
                "psycopg.OperationalError: connection to server at \"db\" (10.0.0.1), port 5432 failed: Connection "
                "refused",
                "database-unreachable", "Connection refused"},
           Case{Stage::build_phase,
                "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: "
                "'/venv/lib/python3.11/site-packages/x'",
                "read-only-venv", "/venv"},
           Case{Stage::launch, "  File \"a.py\", line 3\n    def\n       ^\nSyntaxError: invalid syntax",
                "syntax-error", "invalid syntax"},
           Case{Stage::launch, "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nRuntimeError: odd",
                "python-exception", "RuntimeError: odd"},
       }) {
    auto diagnosis = classify(one.stage, one.output);
    EXPECT_EQ(diagnosis.code, one.code) << one.output;
    EXPECT_THAT(diagnosis.cause, HasSubstr(std::string(one.cause))) << one.output;
    EXPECT_FALSE(diagnosis.advice.empty()) << one.output;
  }
}

TEST(Classify, ShowsTheTracebackThatMattersAndNoMoreThanTwentyLines) {
  std::string output;
  for (int i = 0; i < 100; ++i) output += "noise\n";
  output +=
      "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nModuleNotFoundError: No module named "
      "'x'\nafter\n";
  auto diagnosis = classify(Stage::launch, output);
  EXPECT_EQ(diagnosis.excerpt,
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nModuleNotFoundError: No module "
            "named 'x'\nafter\n");
  EXPECT_LE(std::ranges::count(classify(Stage::launch, std::string(1000, '\n')).excerpt, '\n'), 20);
}

TEST(Classify, NamesTheFileThatTheDependenciesComeFrom) {
  auto tampered = classify(Stage::build, "error: Hash mismatch for `flask==3.0.0`", "uv.lock");
  EXPECT_THAT(tampered.cause, HasSubstr("the hash that uv.lock says"));
  EXPECT_THAT(tampered.advice, HasSubstr("lock anew (uv.lock)"));
  EXPECT_THAT(classify(Stage::launch, "ModuleNotFoundError: No module named 'x'").advice,
              HasSubstr("requirements.txt"));
}

TEST(Classify, SaysUnknownWhenNothingMatches) {
  auto diagnosis = classify(Stage::build, "all is lost\n");
  EXPECT_EQ(diagnosis.code, "unknown");
  EXPECT_EQ(diagnosis.excerpt, "all is lost\n");
}

}  // namespace
}  // namespace app
