#include "environment/data/kept.h"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "environment/shared/shared_fixture_test.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KeptTest : public testing_support::SharedTest {
 protected:
  std::string kept(const std::string& path) {
    return base::read_file(layout_.data("shop") / path).value_or("(missing)");
  }
  // Runs a script in a view of the release and gives its whole result.
  RunResult in(const fs::path& code, const std::string& script, std::vector<std::string> folders = {},
               std::vector<std::string> files = {}) {
    auto spec = run_spec("shop", code, script);
    spec.data_folders = std::move(folders);
    spec.data_files = std::move(files);
    auto result = run(spec);
    EXPECT_EQ(result.err, expected_errors_ ? result.err : "");
    return result;
  }
  void make_database(const fs::path& file) {
    sqlite3* database = nullptr;
    ASSERT_EQ(::sqlite3_open(file.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(
        ::sqlite3_exec(database, "create table t (x); insert into t values ('committed')", nullptr, nullptr, nullptr),
        SQLITE_OK);
    ::sqlite3_close(database);
  }
  bool expected_errors_ = false;
};

// Opens a database, writes a row in a transaction, prints how many there are.
constexpr const char* kInsert = R"PY(/usr/bin/python3 -c "
import sqlite3, sys
c = sqlite3.connect('DB'); c.execute('create table if not exists t (x)'); c.execute('insert into t values (1)'); c.commit()
print(c.execute('select count(*) from t').fetchone()[0])")PY";
std::string insert_into(const std::string& database) {
  std::string script = kInsert;
  return script.replace(script.find("DB"), 2, database);
}

TEST_F(KeptTest, WhatIsWrittenBesideTheCodeSurvivesTheRelease) {
  auto first = make_release("r1", {{"app.py", "one"}});
  auto second = make_release("r2", {{"app.py", "two"}, {"new.py", ""}});
  EXPECT_EQ(in(first, "cat app.py; " + insert_into("db.sqlite3") + "; mkdir uploads; echo cat > uploads/cat.png").out,
            "one1\n");
  EXPECT_EQ(in(second, "cat app.py; " + insert_into("db.sqlite3") + "; cat uploads/cat.png").out, "two2\ncat\n");
}

TEST_F(KeptTest, MountPointsOfARemovedReleaseFileAreRemoved) {
  in(make_release("r1", {{"old.py", "x"}, {"oldpkg/a.py", "x"}}), "ls");
  EXPECT_THAT(in(make_release("r2", {{"new.py", "x"}}), "ls").out, "new.py\n");
  EXPECT_TRUE(fs::is_empty(layout_.data("shop")));
}

TEST_F(KeptTest, TwoInstancesOfDifferentReleasesShareTheDataAtTheSameTime) {
  auto old_spec = script("shop", "shop-1", "while :; do " + insert_into("/app/db.sqlite3") + " && sleep 0.02; done");
  start(old_spec);
  wait_for_log("shop", "main", "main out 3");
  auto second = make_release("r2", {{"other.py", "2"}, {"pkg/x.py", ""}});
  EXPECT_GE(std::stoi(in(second, insert_into("/app/db.sqlite3")).out), 4);
  EXPECT_EQ(in(second, "cat other.py").out, "2");
  // The old instance goes on, with its own release in place.
  auto before = log("shop", "main").size();
  while (log("shop", "main").size() < before + 200) ::usleep(5000);
  EXPECT_THAT(log("shop", "main"), testing::Not(HasSubstr("err")));
}

TEST_F(KeptTest, AFileThatOnlyTheOldReleaseHasIsNotThereForTheNewOne) {
  auto old_spec = script("shop", "shop-1", "echo up; while cat /app/old.py; do sleep 0.02; done; echo lost");
  make_release("shop-1", {{"old.py", ""}, {"pkg/old.py", ""}});
  start(old_spec);
  wait_for_log("shop", "main", "main out up");
  auto look =
      "test -e old.py || echo absent; cat new.py; (echo x > old.py || rm old.py || echo kept) 2> /dev/null; "
      "/usr/bin/python3 -c 'import importlib.util as u; print(u.find_spec(\"old\"))'";
  EXPECT_EQ(in(make_release("r2", {{"new.py", "new "}}), look).out, "absent\nnew kept\nNone\n");
  start(script("shop", "shop-2", "while ls /app | grep -q old.py; do sleep 0.02; done; echo gone"));
  ::usleep(100'000);
  EXPECT_THAT(log("shop", "main"), testing::Not(testing::AnyOf(HasSubstr("out gone"), HasSubstr("out lost"))));
  EXPECT_TRUE(environment_->destroy("shop-1"));
  wait_for_log("shop", "main", "main out gone");
}

TEST_F(KeptTest, ADatabaseCommittedWithTheReleaseBecomesDataAndIsNotOverwritten) {
  auto first = make_release("r1", {{"app.py", ""}});
  make_database(first / "db.sqlite3");
  auto result = in(first, insert_into("/app/db.sqlite3"));
  EXPECT_EQ(result.out, "2\n");
  EXPECT_THAT(result.made_data, ElementsAre("db.sqlite3"));
  auto second = make_release("r2", {{"app.py", ""}});
  make_database(second / "db.sqlite3");
  result = in(second, insert_into("/app/db.sqlite3"));
  EXPECT_EQ(result.out, "3\n");
  EXPECT_THAT(result.made_data, IsEmpty());
}

TEST_F(KeptTest, ADatabaseDeepInTheReleaseIsAdoptedWhenItIsWritten) {
  auto code = make_release("r1", {{"site/settings.py", "x"}});
  make_database(code / "site/data.db");
  auto result = in(code, insert_into("/app/site/data.db"));
  EXPECT_THAT(result.adopted.files, ElementsAre("site/data.db"));
  EXPECT_THAT(result.adopted.folders, ElementsAre("site"));
  EXPECT_EQ(in(code, "cat site/settings.py; " + insert_into("/app/site/data.db")).out, "x3\n");
  EXPECT_THAT(environment_->kept("shop")->files, ElementsAre("site/data.db"));
}

TEST_F(KeptTest, NewFilesInAFolderOfTheReleaseAreAdoptedAndCodeIsNot) {
  auto code = make_release("r1", {{"pkg/mod.py", "original"}, {"pkg/sub/deep.py", ""}});
  auto result = in(code,
                   "echo changed > pkg/mod.py; rm pkg/sub/deep.py; echo new > pkg/sub/cache.json; mkdir -p pkg/up/a; "
                   "echo u > pkg/up/a/f; "
                   "mkdir pkg/__pycache__; echo c > pkg/__pycache__/m.pyc");
  EXPECT_THAT(result.adopted.discarded, ElementsAre("pkg/mod.py", "pkg/sub/deep.py"));
  EXPECT_THAT(result.adopted.folders, ElementsAre("pkg/sub", "pkg/up"));
  EXPECT_EQ(in(code, "cat pkg/mod.py pkg/sub/cache.json pkg/up/a/f; ls pkg/sub pkg").out,
            "originalnew\nu\npkg:\nmod.py\nsub\nup\n\npkg/sub:\ncache.json\ndeep.py\n");
}

TEST_F(KeptTest, DataFoldersOfTheSettingsAreSharedFromTheStart) {
  auto code = make_release("r1", {{"site/media/logo.png", "logo"}, {"site/x.py", ""}});
  auto result = in(code, "cat site/media/logo.png; echo up > site/media/up.png; echo i > instance/cfg",
                   {"/app/site/media", "instance"});
  EXPECT_EQ(result.out, "logo");
  EXPECT_TRUE(result.adopted.is_empty());
  EXPECT_EQ(kept("site/media/up.png"), "up\n");
  EXPECT_EQ(kept("instance/cfg"), "i\n");
  expected_errors_ = true;
  EXPECT_THAT(in(code, "echo x > site/media/logo.png").err, HasSubstr("Read-only file system"));
}

TEST_F(KeptTest, RefusesDataOutsideTheApp) {
  auto spec = run_spec("shop", make_release("r1", {{"a", ""}}), "true");
  spec.data_folders = {"../../etc"};
  EXPECT_FALSE(environment_->run_once(spec));
  spec.data_folders = {"/etc"};
  auto refused = environment_->run_once(spec);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("keep /etc: it is not below /app"));
}

// A name in Latin-1 is as good as any to Linux; it must neither stop the app nor hide what is kept.
TEST_F(KeptTest, NamesMayBeAnyBytes) {
  auto code = make_release("r1", {{"caf\xE9.txt", "menu"}, {"a\nb.txt", "lines"}, {"pkg/x.py", ""}});
  auto write = in(code, "cat caf*.txt a*.txt; mkdir pkg/$(printf '\\377'); echo kept > pkg/$(printf '\\377')/a.txt");
  EXPECT_EQ(write.out, "menulines");
  EXPECT_THAT(write.adopted.folders, ElementsAre("pkg/\xFF"));
  EXPECT_EQ(in(code, "cat caf*.txt pkg/$(printf '\\377')/a.txt").out, "menukept\n");
  EXPECT_THAT(environment_->kept("shop")->folders, ElementsAre("pkg/\xFF"));
}

TEST_F(KeptTest, LinksThatTheAppPutsInTheWayLeadNowhere) {
  auto victim = layout_.root / "victim";
  fs::create_directories(victim);
  std::ofstream(victim / "file") << "untouched";
  ::chmod(victim.c_str(), 0777);
  auto code = make_release("r1", {{"media/logo.png", "logo"}, {"app.py", "code"}, {"pkg/x.py", ""}});
  in(code, "true", {"media"});
  // The app replaces its data folder, a mount point and a folder that will be adopted by links to a folder of the host.
  auto data = layout_.data("shop");
  fs::remove_all(data / "media");
  fs::create_symlink(victim, data / "media");
  fs::create_symlink(victim / "file", data / "app.py");
  fs::create_symlink(victim, data / "pkg");
  auto result = in(code, "cat app.py media/logo.png; echo new > media/new.png; echo n > pkg/n.txt", {"media"});
  EXPECT_EQ(result.out, "codelogo");
  EXPECT_EQ(base::read_file(victim / "file").value(), "untouched");
  struct stat facts;
  ASSERT_EQ(::stat((victim / "file").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_uid, 0u);
  EXPECT_EQ(std::distance(fs::directory_iterator(victim), {}), 1);
  EXPECT_EQ(in(code, "cat media/new.png pkg/n.txt", {"media"}).out, "new\nn\n");
}

TEST_F(KeptTest, LinksInsideTheReleaseShowWhatTheyLeadTo) {
  auto code = make_release("r1", {{"real/a.txt", "a"}});
  fs::create_symlink("real", code / "linked");
  fs::create_symlink("real/a.txt", code / "a.txt");
  fs::create_symlink("/etc/hostname", code / "out");
  EXPECT_EQ(in(code, "cat a.txt linked/a.txt; readlink out").out, "aa/etc/hostname\n");
}

TEST_F(KeptTest, ARunningInstanceTellsWhatItWroteElsewhere) {
  auto spec = script("shop", "shop-1", "mkdir -p /app/pkg/up; echo 1 > /app/pkg/up/f; echo done; sleep 1000");
  make_release("shop-1", {{"pkg/x.py", ""}});
  start(spec);
  wait_for_log("shop", "main", "done");
  EXPECT_THAT(environment_->unadopted("shop-1").value(), ElementsAre("pkg/up"));
  auto adopted = environment_->stop("shop-1");
  ASSERT_TRUE(adopted) << adopted.error().describe();
  EXPECT_THAT(adopted->folders, ElementsAre("pkg/up"));
}

// An app that knows how the second of two files will be called must not be able to keep its instance from ending.
TEST_F(KeptTest, TwoFilesOfOneNameAreBothKeptWhateverTheyAreCalled) {
  std::string name(250, 'n');
  make_release("shop-1", {{"pkg/x.py", ""}});
  start(script("shop", "shop-1", "echo first > pkg/" + name + "; echo first > pkg/y; echo up; sleep 1000"));
  wait_for_log("shop", "main", "up");
  auto second = make_release("r2", {{"pkg/x.py", ""}});
  in(second, "echo second > pkg/" + name + "; echo second > pkg/y; echo mine > pkg/y.from-shop-1");
  auto adopted = environment_->stop("shop-1");
  ASSERT_TRUE(adopted) << adopted.error().describe();
  EXPECT_EQ(kept("pkg/" + name) + kept("pkg/" + name.substr(0, 243) + ".from-shop-1"), "second\nfirst\n");
  EXPECT_EQ(kept("pkg/y") + kept("pkg/y.from-shop-1") + kept("pkg/y.from-shop-1-2"), "second\nmine\nfirst\n");
  EXPECT_TRUE(environment_->destroy("shop-1"));
}

TEST_F(KeptTest, AFolderThatBecomesAFileWhileTheOldReleaseRunsIsRefused) {
  auto spec = script("shop", "shop-1", "echo up; sleep 1000");
  make_release("shop-1", {{"thing/x", ""}});
  start(spec);
  auto refused = environment_->run_once(run_spec("shop", make_release("r2", {{"thing", "file"}}), "true"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::conflict);
  ASSERT_TRUE(environment_->destroy("shop-1"));
  EXPECT_EQ(in(make_release("r2", {}), "cat thing").out, "file");
}

}  // namespace
}  // namespace environment
