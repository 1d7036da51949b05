#include "app/pack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "app/ignore.h"
#include "base/fd.h"
#include "base/file.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Packing : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "serai-pack-XXXXXX").string();
    top_ = ::mkdtemp(name.data());
    fs::create_directories(source());
  }
  void TearDown() override { fs::remove_all(top_); }

  fs::path source() const { return top_ / "source"; }
  fs::path target() const { return top_ / "target"; }

  void write(const std::string& path, std::string_view content) {
    fs::create_directories((source() / path).parent_path());
    ASSERT_TRUE(base::write_file_atomically(source() / path, content));
  }
  PackPlan plan() {
    auto plan = plan_pack(source().string());
    EXPECT_TRUE(plan) << plan.error().describe();
    return std::move(*plan);
  }
  static std::vector<std::string> paths(const PackPlan& plan) {
    std::vector<std::string> paths;
    for (const auto& entry : plan.entries) paths.push_back(entry.path);
    return paths;
  }
  std::string archive(const PackPlan& plan) {
    std::string bytes;
    auto done = pack(source().string(), plan, [&](std::string_view more) {
      bytes += more;
      return base::Result<void>();
    });
    EXPECT_TRUE(done) << done.error().describe();
    return bytes;
  }
  base::Result<Unpacked> unpack_bytes(std::string_view bytes, const UnpackLimits& limits = {}) {
    base::Fd file(::memfd_create("archive", MFD_CLOEXEC));
    EXPECT_TRUE(base::write_all(file.get(), bytes));
    ::lseek(file.get(), 0, SEEK_SET);
    fs::create_directories(target());
    return unpack(file.get(), target().string(), limits);
  }

  fs::path top_;
};

bool ignored(std::string_view patterns, std::string_view path, bool is_folder = false) {
  auto verdict = IgnoreFile::parse(patterns, "", ".gitignore").judge(path, is_folder);
  return verdict && verdict->ignored;
}

TEST(Ignore, FollowsGitsRules) {
  EXPECT_TRUE(ignored("*.log", "a/b/x.log"));
  EXPECT_FALSE(ignored("/x.log", "a/x.log"));
  EXPECT_TRUE(ignored("a/*.log", "a/x.log"));
  EXPECT_FALSE(ignored("a/*.log", "b/a/x.log"));
  EXPECT_FALSE(ignored("a/*.log", "a/b/x.log"));
  EXPECT_TRUE(ignored("build/", "x/build", true));
  EXPECT_FALSE(ignored("build/", "x/build", false));
  EXPECT_FALSE(ignored("*.log\n!keep.log", "keep.log"));
  EXPECT_TRUE(ignored("!keep.log\n*.log", "keep.log"));
  EXPECT_TRUE(ignored("**/foo/bar", "foo/bar"));
  EXPECT_TRUE(ignored("**/foo/bar", "x/y/foo/bar"));
  EXPECT_TRUE(ignored("a/**/b", "a/b"));
  EXPECT_TRUE(ignored("a/**/b", "a/x/y/b"));
  EXPECT_TRUE(ignored("a/**", "a/x/y"));
  EXPECT_FALSE(ignored("a/**", "a", true));
  EXPECT_TRUE(ignored("foo[0-9a].t?t", "foo5.txt"));
  EXPECT_FALSE(ignored("foo[!0-9].txt", "foo5.txt"));
  EXPECT_TRUE(ignored("\\#x\n\\!y", "#x"));
  EXPECT_TRUE(ignored("\\#x\n\\!y", "!y"));
  EXPECT_TRUE(ignored("trail   \n", "trail"));
  EXPECT_TRUE(ignored("space\\ ", "space "));
  EXPECT_FALSE(ignored("# comment", "# comment"));
  EXPECT_TRUE(ignored("a[b", "a[b"));
}

TEST_F(Packing, TakesFilesInOrderAndReportsWhatItLeftOut) {
  write("app.py", "app = 1\n");
  write("pkg/__init__.py", "");
  write("pkg/__pycache__/x.pyc", "");
  write(".git/HEAD", "ref");
  write("my-venv/pyvenv.cfg", "");
  write("node_modules/x.js", "");
  write("debug.log", "");
  write("pkg/keep.log", "");
  write(".gitignore", "*.log\n");
  write("pkg/.gitignore", "!keep.log\n");
  write("docs/big.bin", "");
  write(".seraiignore", "docs/\n");
  auto plan = this->plan();
  EXPECT_THAT(paths(plan), ElementsAre(".gitignore", ".seraiignore", "app.py", "pkg", "pkg/.gitignore",
                                       "pkg/__init__.py", "pkg/keep.log"));
  std::vector<std::string> reasons;
  for (const auto& item : plan.left_out) reasons.push_back(item.path + " " + item.reason);
  EXPECT_THAT(reasons, ElementsAre(".git/ version control", "debug.log .gitignore:1", "docs/ .seraiignore:1",
                                   "my-venv/ virtual environment", "node_modules/ cache", "pkg/__pycache__/ cache"));
}

TEST_F(Packing, AsksAboutSecretsAndDatabasesUnlessTheyAreIgnored) {
  write(".env", "KEY=1");
  write(".env.example", "KEY=");
  write("db.sqlite3", "x");
  write("certs/server.key", "-----BEGIN PRIVATE KEY-----\n");
  write("certs/other.key", "no key at all");
  write("ignored.db", "");
  write(".gitignore", "ignored.db\n");
  auto plan = this->plan();
  std::vector<std::string> asked;
  for (const auto& item : plan.questionable) asked.push_back(item.path + ": " + item.reason);
  EXPECT_THAT(asked, ElementsAre(".env: holds secrets", "certs/server.key: private key", "db.sqlite3: local database"));
  EXPECT_THAT(paths(plan), Not(Contains("db.sqlite3")));
  plan.take("db.sqlite3");
  EXPECT_THAT(paths(plan), Contains("db.sqlite3"));
  EXPECT_EQ(plan.questionable.size(), 2u);
}

TEST_F(Packing, KeepsLinksInsideOnly) {
  write("a/x", "");
  fs::create_symlink("../a/x", source() / "a/inside");
  fs::create_symlink("../../etc/passwd", source() / "a/outside");
  fs::create_symlink("/etc/passwd", source() / "absolute");
  auto plan = this->plan();
  EXPECT_THAT(paths(plan), ElementsAre("a", "a/inside", "a/x"));
  EXPECT_EQ(plan.left_out.size(), 2u);
}

TEST_F(Packing, NamesTheLargestFoldersWhenThereIsTooMuch) {
  write("data/big", std::string(3'000'000, 'x'));
  auto plan = plan_pack(source().string(), {.files = 10, .bytes = 1000});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message(), HasSubstr("The largest: data (3 MB)"));
}

TEST_F(Packing, GivesTheSameArchiveForTheSameContentAndRestoresIt) {
  write("run.sh", "#!/bin/sh\n");
  fs::permissions(source() / "run.sh", fs::perms::owner_exec, fs::perm_options::add);
  write("sub/ünïcode name.txt", "text");
  write("empty/.keep", "");
  fs::create_symlink("run.sh", source() / "link");
  auto first = archive(plan());
  ::utimensat(AT_FDCWD, (source() / "run.sh").c_str(), nullptr, 0);
  EXPECT_EQ(first, archive(plan()));
  auto unpacked = unpack_bytes(first);
  ASSERT_TRUE(unpacked) << unpacked.error().describe();
  EXPECT_EQ(*base::read_file(target() / "sub/ünïcode name.txt"), "text");
  EXPECT_EQ(fs::read_symlink(target() / "link"), "run.sh");
  struct stat facts;
  ASSERT_EQ(::stat((target() / "run.sh").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755u);
  EXPECT_EQ(unpacked->digest, *digest_folder(source().string()));
}

TEST_F(Packing, DigestChangesWithContentModeAndName) {
  write("a", "1");
  auto before = *digest_folder(source().string());
  write("a", "2");
  auto content = *digest_folder(source().string());
  fs::permissions(source() / "a", fs::perms::owner_exec, fs::perm_options::add);
  auto mode = *digest_folder(source().string());
  fs::rename(source() / "a", source() / "b");
  auto name = *digest_folder(source().string());
  EXPECT_EQ((std::set{before, content, mode, name}.size()), 4u);
}

// A ustar header, to build archives that no well-behaved packer makes.
std::string tar_entry(std::string_view name, char type, std::string_view link = "", std::string_view content = "") {
  std::string header(512, '\0');
  auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", content.size()));
  put(136, "00000000000");
  put(156, std::string_view(&type, 1));
  put(157, link);
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  put(148, "        ");
  unsigned sum = 0;
  for (unsigned char c : header) sum += c;
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return header + std::string(content) + std::string((512 - content.size() % 512) % 512, '\0');
}
const std::string tar_end(1024, '\0');

TEST_F(Packing, RefusesArchivesThatReachOutsideTheFolder) {
  auto refused = [&](const std::string& entries) {
    fs::remove_all(target());
    auto result = unpack_bytes(entries + tar_end);
    return result ? "accepted" : result.error().message();
  };
  EXPECT_THAT(refused(tar_entry("../x", '0', "", "evil")), HasSubstr("outside its folder"));
  EXPECT_THAT(refused(tar_entry("/etc/x", '0', "", "evil")), HasSubstr("outside its folder"));
  EXPECT_THAT(refused(tar_entry("l", '2', "../..")), HasSubstr("a link that leaves"));
  EXPECT_THAT(refused(tar_entry("l", '2', "/etc")), HasSubstr("a link that leaves"));
  EXPECT_THAT(refused(tar_entry("h", '1', "/etc/passwd")), HasSubstr("a hard link"));
  EXPECT_THAT(refused(tar_entry("null", '3')), HasSubstr("neither file, folder nor link"));
  EXPECT_THAT(refused(tar_entry("fifo", '6')), HasSubstr("neither file, folder nor link"));
  EXPECT_THAT(refused(tar_entry("a", '0', "", "1") + tar_entry("a", '0', "", "2")), HasSubstr("open a"));
  EXPECT_THAT(refused("not a tar at all"), HasSubstr("not a readable tar"));
  EXPECT_EQ(refused(tar_entry("fine", '0', "", "1")), "accepted");
}

TEST_F(Packing, StopsAtTheLimitsOfUnpacking) {
  auto two = tar_entry("a", '0', "", std::string(600, 'x')) + tar_entry("b", '0', "", std::string(600, 'x')) + tar_end;
  EXPECT_EQ(unpack_bytes(two, {.files = 1}).error().kind(), base::Kind::overloaded);
  fs::remove_all(target());
  EXPECT_EQ(unpack_bytes(two, {.bytes = 1000}).error().kind(), base::Kind::overloaded);
}

}  // namespace
}  // namespace app
