#include "app/lock.h"

#include <gmock/gmock.h>

#include "app/build.h"
#include "app/marker_set.h"
#include "app/pipfile_lock.h"
#include "app/poetry_lock.h"
#include "app/test_folder.h"

namespace app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::string kind_and_findings(const base::Result<Lock>& lock) {
  if (!lock) return lock.error().describe() + " | " + lock.error().advice();
  std::string text(lock_name(lock->kind));
  for (const auto& finding : lock->findings) {
    if (finding.level == Finding::Level::ignored) text += ", not " + finding.value;
  }
  return text;
}

// tests/locks/compare.py checks that installing the expected file gives what the tool itself installs.
TEST(PoetryLock, BecomesWhatPoetryInstalls) {
  for (std::string name : {"poetry-1.1", "poetry-1.8", "poetry-2"}) {
    auto folder = "locks/" + name + "/";
    auto converted = convert_poetry_lock(test_data(folder + "poetry.lock"), test_data(folder + "pyproject.toml"));
    ASSERT_TRUE(converted) << converted.error().describe();
    EXPECT_EQ(to_requirements_txt(*converted), test_data(folder + "requirements.expected")) << name;
  }
}

TEST(PipfileLock, BecomesWhatPipenvInstalls) {
  auto converted = convert_pipfile_lock(test_data("locks/pipenv/Pipfile.lock"));
  ASSERT_TRUE(converted) << converted.error().describe();
  EXPECT_EQ(to_requirements_txt(*converted), test_data("locks/pipenv/requirements.expected"));
}

constexpr std::string_view package_head =
    "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\nfiles = [{file = \"a\", hash = \"sha256:00\"}]\n";
constexpr std::string_view metadata = "\n[metadata]\nlock-version = \"2.1\"\n";

std::string poetry_problem(std::string_view more) {
  auto converted = convert_poetry_lock(std::string(package_head) + std::string(more) + std::string(metadata), "");
  return converted ? "converted" : converted.error().message();
}

TEST(PoetryLock, IsRefusedWhereItCannotBeExact) {
  EXPECT_EQ(poetry_problem(""), "converted");
  EXPECT_THAT(poetry_problem("[package.source]\ntype = \"git\"\nurl = \"https://x/y\"\n"), HasSubstr("a git source"));
  EXPECT_THAT(poetry_problem("[package.source]\ntype = \"directory\"\nurl = \"../y\"\n"),
              HasSubstr("a directory source"));
  EXPECT_THAT(poetry_problem("[package.source]\ntype = \"legacy\"\nurl = \"https://private/simple\"\n"),
              HasSubstr("the private index https://private/simple"));
  auto no_hash = convert_poetry_lock(
      "[[package]]\nname = \"a\"\nversion = \"1\"\ngroups = [\"main\"]\nfiles = []\n[metadata]\nlock-version = "
      "\"2.1\"\n",
      "");
  EXPECT_THAT(no_hash.error().message(), HasSubstr("no usable hash"));
  EXPECT_THAT(convert_poetry_lock("[metadata]\nlock-version = \"9\"\n", "").error().message(),
              HasSubstr("format \"9\" is unknown"));
  EXPECT_THAT(convert_poetry_lock("[[package", "").error().message(), HasSubstr("poetry.lock:1: not valid TOML"));
}

// Two versions of one package, a circle, an extra, an optional dependency: format 2.0 walks them from the project.
TEST(PoetryLock, FollowsMarkersAndExtrasThroughCircles) {
  std::string lock;
  auto package = [&](std::string name, std::string version, std::string rest) {
    lock += fmt::format(
        "[[package]]\nname = \"{}\"\nversion = \"{}\"\nfiles = [{{file = \"f\", hash = \"sha256:00\"}}]\n{}\n", name,
        version, rest);
  };
  package("web", "1.0",
          "[package.dependencies]\nnum = [{version = \"<2\", markers = \"python_version < '3.11'\"}, {version = "
          "\">=2\", markers = \"python_version >= '3.11'\"}]\n"
          "tls = {version = \"*\", optional = true, markers = \"sys_platform != 'win32' and extra == "
          "'tls'\"}\n[package.extras]\ntls = [\"tls (>=1)\"]\n");
  package("num", "1.9", "");
  package("num", "2.1", "[package.dependencies]\nweb = \"*\"\n");
  package("tls", "3.0", "");
  package("dev-only", "1.0", "");
  lock += "[metadata]\nlock-version = \"2.0\"\n";
  auto project = [](std::string_view web) {
    return fmt::format("[tool.poetry.dependencies]\npython = \"^3.10\"\nweb = {}\n", web);
  };
  auto plain = convert_poetry_lock(lock, project("\"*\""));
  ASSERT_TRUE(plain) << plain.error().describe();
  EXPECT_EQ(to_requirements_txt(*plain),
            "num==1.9 ; (python_version < '3.11') \\\n    --hash=sha256:00\nnum==2.1 ; (python_version >= '3.11') \\\n "
            "   --hash=sha256:00\n"
            "web==1.0 \\\n    --hash=sha256:00\n");
  auto with_extra = convert_poetry_lock(lock, project("{version = \"*\", extras = [\"tls\"], python = \">=3.11\"}"));
  ASSERT_TRUE(with_extra) << with_extra.error().describe();
  EXPECT_THAT(to_requirements_txt(*with_extra),
              HasSubstr("tls==3.0 ; (python_version >= \"3.11\") and (sys_platform != 'win32') \\"));
}

TEST(PipfileLock, IsRefusedWhereItCannotBeExact) {
  auto problem = [](std::string_view entry) {
    auto converted = convert_pipfile_lock(fmt::format(
        R"({{"_meta": {{"sources": [{{"name": "own", "url": "https://private/simple"}}, {{"name": "pypi", "url": "https://pypi.org/simple"}}]}}, "default": {{"a": {}}}}})",
        entry));
    return converted ? "converted" : converted.error().message();
  };
  EXPECT_EQ(problem(R"({"version": "==1", "hashes": ["sha256:00"], "index": "pypi"})"), "converted");
  EXPECT_THAT(problem(R"({"version": "==1", "hashes": ["sha256:00"]})"),
              HasSubstr("the private index https://private/simple"));
  EXPECT_THAT(problem(R"({"git": "https://x/y", "ref": "00"})"), HasSubstr("a git source"));
  EXPECT_THAT(problem(R"({"editable": true, "path": "."})"), HasSubstr("a path source"));
  EXPECT_THAT(problem(R"({"version": "*", "index": "pypi"})"), HasSubstr("no exact version"));
  EXPECT_THAT(problem(R"({"version": "==1\n--index-url=x", "hashes": ["sha256:00"], "index": "pypi"})"),
              HasSubstr("no usable version"));
  EXPECT_THAT(problem(R"({"version": "==1", "markers": "a\nb", "hashes": ["sha256:00"], "index": "pypi"})"),
              HasSubstr("no usable marker"));
  EXPECT_FALSE(convert_pipfile_lock("[]"));
  EXPECT_FALSE(convert_pipfile_lock("{\"default\": 3}"));
}

TEST(MarkerSet, KeepsOnlyWaysThatAddSomething) {
  MarkerSet set;
  EXPECT_TRUE(set.add({"a", "b"}));
  EXPECT_FALSE(set.add({"a", "b", "c"}));
  EXPECT_TRUE(set.add({"c"}));
  EXPECT_EQ(set.text(), "(a) and (b) or (c)");
  EXPECT_TRUE(set.add({}));
  EXPECT_EQ(set.text(), "");
  EXPECT_FALSE(set.add({"d"}));
}

TEST(MarkerSet, TakesAnExtraOutOfAMarkerOrSaysItCannot) {
  std::string left;
  EXPECT_TRUE(remove_extra("extra == 'x'", left));
  EXPECT_EQ(left, "");
  EXPECT_TRUE(remove_extra("python_version < '3' and extra == \"x\"", left));
  EXPECT_EQ(left, "python_version < '3'");
  EXPECT_TRUE(remove_extra("(a == '1' or b == '2') and extra == 'x'", left));
  EXPECT_EQ(left, "(a == '1' or b == '2')");
  EXPECT_FALSE(remove_extra("a == '1' or extra == 'x'", left));
  EXPECT_FALSE(remove_extra("extra == 'x' or extra == 'y'", left));
}

TEST(Lock, IsChosenInAFixedOrderAndTheOthersAreNamed) {
  TestFolder folder;
  EXPECT_EQ(kind_and_findings(find_lock(folder.open())), "");
  folder.write("pyproject.toml", "[project]\nname = \"x\"\ndependencies = [\"Flask>=3\", \"a_b[c]\"]\n");
  auto plain = find_lock(folder.open());
  EXPECT_EQ(kind_and_findings(plain), "pyproject.toml");
  EXPECT_THAT(plain->packages, ElementsAre("flask", "a-b"));
  folder.write("requirements.txt", "flask==3.0\n");
  EXPECT_EQ(kind_and_findings(find_lock(folder.open())), "requirements.txt");
  folder.write("pylock.toml", "lock-version = \"1.0\"\n[[packages]]\nname = \"flask\"\n");
  EXPECT_EQ(kind_and_findings(find_lock(folder.open())), "pylock.toml, not requirements.txt");
  folder.write("uv.lock", "version = 1\n[[package]]\nname = \"flask\"\n");
  EXPECT_EQ(kind_and_findings(find_lock(folder.open())), "uv.lock, not pylock.toml, not requirements.txt");
}

TEST(Lock, FollowsIncludedRequirementsAndSeesHashesAndLocalCode) {
  TestFolder folder;
  folder.write("requirements.txt", "-r requirements/base.txt\n-c constraints.txt\n./vendored\n");
  folder.write("requirements/base.txt", "# comment\nFlask[async]==3.0 \\\n    --hash=sha256:00\n");
  folder.write("constraints.txt", "werkzeug<4\n");
  auto lock = find_lock(folder.open());
  ASSERT_TRUE(lock) << lock.error().describe();
  EXPECT_THAT(lock->packages, Contains("flask"));
  EXPECT_TRUE(lock->depends_on_code);
  EXPECT_FALSE(lock->hashed);
  auto before = lock->digest;
  folder.write("constraints.txt", "werkzeug<3\n");
  EXPECT_NE(find_lock(folder.open())->digest, before);
  folder.write("requirements.txt", "-r requirements/base.txt\n");
  EXPECT_TRUE(find_lock(folder.open())->hashed);
  folder.write("requirements.txt", "-r ../secret.txt\n");
  EXPECT_THAT(kind_and_findings(find_lock(folder.open())), HasSubstr("outside the folder"));
}

TEST(Lock, ExplainsWhatIsMissing) {
  auto problem = [](const std::string& file, std::string_view content = "") {
    TestFolder folder;
    folder.write(file, content);
    return kind_and_findings(find_lock(folder.open()));
  };
  EXPECT_THAT(problem("Pipfile"), HasSubstr("pipenv lock"));
  EXPECT_THAT(problem("pdm.lock"), HasSubstr("pdm export"));
  EXPECT_THAT(problem("setup.py"), HasSubstr("-e ."));
  EXPECT_THAT(problem("uv.lock"), HasSubstr("add pyproject.toml"));
  EXPECT_THAT(problem("pyproject.toml", "[tool.poetry]\n"), HasSubstr("poetry lock"));
  EXPECT_THAT(problem("pyproject.toml", "[project\n"), HasSubstr("pyproject.toml:1: not valid TOML"));
}

TEST(Build, InstallsExactlyWhatTheLockSays) {
  TestFolder folder;
  folder.write("poetry.lock", test_data("locks/poetry-2/poetry.lock"))
      .write("pyproject.toml", test_data("locks/poetry-2/pyproject.toml"));
  auto lock = find_lock(folder.open());
  ASSERT_TRUE(lock);
  BuildOptions options;
  options.interpreter = {"/usr/bin/python3.11", {3, 11, 2}, "cpython-311", "/usr", "linux"};
  auto plan = plan_build(*lock, options);
  ASSERT_EQ(plan.steps.size(), 2u);  // package-mode = false: the project itself is not installed
  EXPECT_THAT(plan.steps[1].argv, Contains("--require-hashes"));
  EXPECT_EQ(plan.steps[1].input, *lock->requirements);
  EXPECT_EQ(plan.steps[1].env.at("PYC_INVALIDATION_MODE"), "UNCHECKED_HASH");
  options.code_digest = "other";
  EXPECT_EQ(plan_build(*lock, options).digest, plan.digest);  // the code does not decide what is installed
  options.interpreter.version.patch = 3;
  EXPECT_NE(plan_build(*lock, options).digest, plan.digest);
}

TEST(Build, InstallsAProjectThatIsAPackageAndCountsPackages) {
  TestFolder folder;
  folder.write("pyproject.toml", "[project]\nname = \"my-site\"\n[build-system]\nrequires = []\n")
      .write("my_site/__init__.py", "")
      .write("requirements.txt", "flask\n");
  auto plan = plan_build(*find_lock(folder.open()), {});
  EXPECT_EQ(plan.steps.back().name, "project");
  auto counts =
      count_packages("Resolved 9 packages in 2ms\nPrepared 2 packages in 1ms\nInstalled 9 packages in 55ms\n + a==1\n");
  EXPECT_EQ(counts.packages, 9);
  EXPECT_EQ(counts.downloaded, 2);
  EXPECT_EQ(count_packages("nothing").packages, -1);
}

}  // namespace
}  // namespace app
