#include "environment/container/foreign_base.h"

#include <gmock/gmock.h>
#include <gnu/libc-version.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"
#include "environment/container/bundle.h"
#include "environment/container/root_folder.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// Where this host's C library is: "usr/lib/x86_64-linux-gnu".
fs::path library_folder() {
  for (const auto& entry : fs::directory_iterator("/usr/lib"))
    if (fs::exists(entry.path() / "libc.so.6")) return entry.path().relative_path();
  return {};
}

class ForeignBaseTest : public testing::Test {
 protected:
  ForeignBaseTest() {
    std::string pattern = (fs::temp_directory_path() / "serai-foreign-base-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    write("own/var/lib/dpkg/status",
          fmt::format("Package: libc6\nVersion: {}-9\n\nPackage: python3.11-minimal\nVersion: 3.11.2-6\n", kGlibc));
    write("own/usr/bin/python3.11", "ours");
    write("own/usr/lib/python3.11/os.py", "");
    with_glibc(kGlibc);
    fs::create_directories(theirs() / library_folder());
    parts_.built_with = {.program = "/usr/bin/python3.11", .version = "3.11.2", .glibc = kGlibc};
  }
  ~ForeignBaseTest() override { (void)base::remove_tree(folder_); }

  fs::path own() const { return folder_ / "own"; }
  fs::path theirs() const { return folder_ / "system"; }
  void write(const fs::path& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  void with_glibc(const std::string& version) {
    write("system" / library_folder() / "libc.so.6",
          "\x7f"
          "ELF…GNU C Library (Some GLIBC 1-9) stable release version " +
              version + ".\nCopyright");
  }
  void with_python(const std::string& version) {
    write("system/usr/bin/python3.11", "theirs");
    write("system/var/lib/dpkg/status", "Package: python3.11-minimal\nVersion: " + version + "-1\n");
  }
  std::vector<std::string> added() {
    std::vector<std::string> paths;
    auto sources = additions(parts_, own(), theirs());
    EXPECT_TRUE(sources) << sources.error().describe();
    if (!sources) return paths;
    for (const auto& source : *sources) paths.push_back(source.to);
    return paths;
  }
  std::string refusal() {
    auto sources = additions(parts_, own(), theirs());
    EXPECT_FALSE(sources);
    if (sources) return {};
    EXPECT_EQ(sources.error().kind(), base::Kind::unsupported);
    EXPECT_NE(sources.error().advice(), "");
    return sources.error().describe();
  }

  static constexpr const char* kGlibc = "2.36";
  fs::path folder_;
  Parts parts_;
};

TEST_F(ForeignBaseTest, APythonIsAddedWhereThereIsNone) {
  EXPECT_THAT(added(), UnorderedElementsAre("usr/bin/python3.11", "usr/lib/python3.11"));
}

TEST_F(ForeignBaseTest, OneOfTheSameVersionIsUsed) {
  with_python("3.11.2");
  EXPECT_THAT(added(), UnorderedElementsAre());
}

TEST_F(ForeignBaseTest, OneOfAnotherVersionInItsPlaceIsNamed) {
  with_python("3.11.9");
  EXPECT_THAT(refusal(), HasSubstr("its python3.11 is version 3.11.9, and the app was built with 3.11.2"));
  write("system/var/lib/dpkg/status", "");
  EXPECT_THAT(refusal(), HasSubstr("is not Debian's"));
}

TEST_F(ForeignBaseTest, AnInterpreterOutsideUsrNeedsNoneInTheImage) {
  parts_.built_with.program = "/opt/python/bin/python3.13";
  EXPECT_THAT(added(), UnorderedElementsAre());
}

TEST_F(ForeignBaseTest, LibrariesOfTheEngineAreAddedWhereTheyAreMissing) {
  with_python("3.11.2");
  parts_.engine = folder_ / "engine";
  fs::create_directories(parts_.engine / "serai");
  fs::copy_file("/usr/bin/bash", parts_.engine / "serai/_engine.so");  // it is linked with libtinfo
  EXPECT_THAT(refusal(), HasSubstr("it lacks the library libtinfo.so.6"));
  auto name = library_folder() / "libtinfo.so.6";
  write("own" / name, "ours");
  EXPECT_THAT(added(), UnorderedElementsAre(name.string()));
  write("system" / name, "theirs");
  EXPECT_THAT(added(), UnorderedElementsAre());
}

TEST_F(ForeignBaseTest, WithoutANewEnoughGlibcItIsRefused) {
  with_glibc("2.4");
  EXPECT_THAT(refusal(), HasSubstr("it has glibc 2.4, and apps are built with this host's 2.36"));
  fs::remove(theirs() / library_folder() / "libc.so.6");
  EXPECT_THAT(refusal(), HasSubstr("no glibc"));
  with_glibc("2.100");
  EXPECT_EQ(added().size(), 2u);
}

TEST_F(ForeignBaseTest, ItsKeyTellsAllThatItDependsOn) {
  auto key = foreign_base_key(parts_);
  parts_.base = "r.io/base@sha256:1";
  EXPECT_NE(foreign_base_key(parts_), key);
  key = foreign_base_key(parts_);
  parts_.built_with.version = "3.11.3";
  EXPECT_NE(foreign_base_key(parts_), key);
}

TEST_F(ForeignBaseTest, ItsLinksLeadToNoFileOfTheHost) {
  write("secret", "root:of-the-host");
  fs::create_directories(theirs() / "etc");
  fs::create_symlink(folder_ / "secret", theirs() / "etc/passwd");
  fs::create_symlink("../../../../../../../.." / (folder_ / "secret").relative_path(), theirs() / "etc/group");
  for (const auto& [name, text] : instance_etc({.uid = 1, .gid = 1}, {theirs().string()}))
    EXPECT_THAT(text, testing::Not(HasSubstr("of-the-host"))) << name;
  fs::create_directories(theirs() / (folder_.relative_path()));
  std::ofstream(theirs() / (folder_ / "secret").relative_path()) << "the image's";
  EXPECT_EQ(RootFolder::open(theirs())->read("etc/passwd").value(), "the image's");
  EXPECT_FALSE(RootFolder::open(theirs())->read("etc"));
}

}  // namespace
}  // namespace environment
