#include "app/interpreter.h"

#include <gmock/gmock.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "app/python_wish.h"
#include "base/file.h"

namespace app {
namespace {

using testing::HasSubstr;

bool accepts(std::string_view wish, PythonVersion version) {
  auto parsed = PythonWish::parse(wish);
  EXPECT_TRUE(parsed) << wish;
  return parsed && parsed->accepts(version);
}

TEST(PythonWish, UnderstandsTheWaysInWhichProjectsAsk) {
  EXPECT_TRUE(accepts("", {3, 8, 0}));
  EXPECT_TRUE(accepts("3.13", {3, 13, 4}));
  EXPECT_FALSE(accepts("3.13", {3, 12, 4}));
  EXPECT_TRUE(accepts("3.12.*", {3, 12, 9}));
  EXPECT_TRUE(accepts(">=3.11,<4", {3, 13, 0}));
  EXPECT_FALSE(accepts(">=3.11, <3.13", {3, 13, 0}));
  EXPECT_TRUE(accepts("^3.11", {3, 13, 0}));
  EXPECT_FALSE(accepts("^3.11", {3, 10, 9}));
  EXPECT_TRUE(accepts("~3.11", {3, 11, 9}));
  EXPECT_FALSE(accepts("~3.11", {3, 12, 0}));
  EXPECT_TRUE(accepts("~=3.11", {3, 12, 0}));
  EXPECT_FALSE(accepts("~=3.11.2", {3, 12, 0}));
  EXPECT_TRUE(accepts("~3.9 || ^3.11", {3, 12, 0}));
  EXPECT_FALSE(accepts("!=3.11.*", {3, 11, 2}));
  EXPECT_TRUE(accepts("<=3.11", {3, 11, 2}));
  EXPECT_FALSE(accepts(">3.11", {3, 11, 2}));
  EXPECT_TRUE(accepts(">=3.9.0rc1", {3, 9, 0}));
  for (auto wrong : {"latest", "3.x", "my-venv", "3.11.2.4", ">=", "=>3.11"})
    EXPECT_FALSE(PythonWish::parse(wrong)) << wrong;
}

const std::vector<Interpreter> host = {{"/opt/13", {3, 13, 0}, "cpython-313"},
                                       {"/opt/12", {3, 12, 1}, "cpython-312"},
                                       {"/usr/bin/python3.11", {3, 11, 2}, "cpython-311", "", "", true}};

TEST(Interpreter, PrefersTheHostsOwnAndElseTheNewest) {
  std::vector<std::string> all = {"cpython-311", "cpython-312", "cpython-313"};
  EXPECT_EQ(choose_interpreter(host, *PythonWish::parse(""), all)->path, "/usr/bin/python3.11");
  EXPECT_EQ(choose_interpreter(host, *PythonWish::parse(">=3.10"), all)->path, "/usr/bin/python3.11");
  EXPECT_EQ(choose_interpreter(host, *PythonWish::parse(">=3.12"), all)->path, "/opt/13");
  EXPECT_EQ(choose_interpreter(host, *PythonWish::parse("3.12"), all)->path, "/opt/12");
}

TEST(Interpreter, SaysWhatIsThereWhenNothingFits) {
  auto chosen = choose_interpreter(host, *PythonWish::parse("3.12"), {"cpython-311"});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().message(),
            "no Python 3.12 for the app; found here: 3.11.2 (without an engine: 3.13.0, 3.12.1)");
}

TEST(Interpreter, FindsTheHostsOwn) {
  auto found = find_interpreters({{"/usr/bin"}, {}});
  auto own = std::ranges::find(found, true, &Interpreter::is_default);
  ASSERT_NE(own, found.end());
  EXPECT_EQ(own->version.major, 3);
  EXPECT_THAT(own->platform, HasSubstr("linux"));
  EXPECT_EQ(own->glibc(), ::gnu_get_libc_version());
  EXPECT_EQ(own->cache_tag, fmt::format("cpython-3{}", own->version.minor));
}

class WishFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "serai-wish-XXXXXX").string();
    top_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(top_); }
  void write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(base::write_file_atomically(top_ / name, text));
  }
  std::string wish(std::optional<std::string> manifest = {}) {
    auto found = find_python_wish(*Folder::open(top_.string()), manifest);
    return found ? found->wish.text() + " from " + found->finding.evidence : found.error().describe();
  }
  std::filesystem::path top_;
};

TEST_F(WishFiles, AreReadInTheirOrder) {
  EXPECT_EQ(wish(), " from nothing asks for a version");
  write("Pipfile.lock", R"({"_meta": {"requires": {"python_version": "3.10"}}})");
  EXPECT_EQ(wish(), "3.10 from Pipfile.lock python_version");
  write("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.11\"\n");
  EXPECT_EQ(wish(), "^3.11 from pyproject.toml [tool.poetry.dependencies] python");
  write("pyproject.toml", "[project]\nrequires-python = \">=3.11\"\n");
  EXPECT_EQ(wish(), ">=3.11 from pyproject.toml requires-python");
  write("mise.toml", "[tools]\npython = \"3.12\"\n");
  EXPECT_EQ(wish(), "3.12 from mise.toml [tools] python");
  write(".tool-versions", "nodejs 20\npython 3.12.1\n");
  EXPECT_EQ(wish(), "3.12.1 from .tool-versions");
  write("runtime.txt", "python-3.11.4\n");
  EXPECT_EQ(wish(), "3.11.4 from runtime.txt");
  write(".python-version", "# comment\n3.13\n3.12\n");
  EXPECT_EQ(wish(), "3.13 from .python-version");
  EXPECT_EQ(wish("3.11"), "3.11 from serai.toml python");
}

TEST_F(WishFiles, AreRefusedWhenMisspeltOrUnreadable) {
  write("runtimes.txt", "python-3.11");
  EXPECT_THAT(wish(), HasSubstr("nobody reads a file of that name"));
  write(".python-version", "my-project-env\n");
  EXPECT_EQ(wish(), ".python-version: \"my-project-env\" is not a Python version or range of versions");
}

}  // namespace
}  // namespace app
