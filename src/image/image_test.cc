#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/digest.h"
#include "base/child.h"
#include "base/file.h"
#include "image/store.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

std::string gunzipped(const fs::path& file) {
  std::string text(1 << 20, '\0');
  auto stream = ::gzopen(file.c_str(), "rb");
  text.resize(static_cast<std::size_t>(::gzread(stream, text.data(), static_cast<unsigned>(text.size()))));
  ::gzclose(stream);
  return text;
}

std::string without_algorithm(const json& descriptor) { return descriptor["digest"].get<std::string>().substr(7); }

class ImageTest : public testing::Test {
 protected:
  ImageTest() {
    std::string pattern = (fs::temp_directory_path() / "serai-image-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ImageTest() override { (void)base::remove_tree(folder_); }

  fs::path write(const std::string& path, const std::string& content, mode_t mode = 0644) {
    auto file = folder_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << content;
    ::chmod(file.c_str(), mode);
    return file;
  }
  // An app of three files, as two people unpack it: modes, times and the order of making differ.
  fs::path make_app(const std::string& name, bool backwards) {
    if (backwards) write(name + "/z/last.py", "print(3)", 0600);
    write(name + "/main.py", "print(1)", backwards ? 0664 : 0644);
    write(name + "/bin/run", "#!/bin/sh\n", backwards ? 0700 : 0755);
    if (!backwards) write(name + "/z/last.py", "print(3)");
    fs::create_symlink("main.py", folder_ / name / "link");
    return folder_ / name;
  }
  std::unique_ptr<Store> open_store(const std::string& name) {
    auto store = Store::open(folder_ / name);
    EXPECT_TRUE(store) << store.error().describe();
    return std::move(*store);
  }
  static Store::Recipe recipe(const std::string& name, const fs::path& from, const std::string& to) {
    return {.owner = "shop", .name = name, .key = from.string(), .sources = [from, to](const fs::path&) {
              return base::Result<std::vector<Source>>(std::vector{Source{.from = from, .to = to}});
            }};
  }
  static Image make_image(Store& store, const fs::path& code, const fs::path& dependencies) {
    auto below = store.layer(recipe("dependencies", dependencies, "venv"));
    auto above = store.layer(recipe("app", code, "app"));
    EXPECT_TRUE(below && above);
    auto image =
        store.add_image("shop:r1", {*below, *above},
                        {.command = {"/venv/bin/python", "main.py"}, .env = {{"B", "2"}, {"A", "1"}}, .port = 8000});
    EXPECT_TRUE(image) << image.error().describe();
    return *image;
  }
  json read(const Store& store, const std::string& digest) {
    auto text = base::read_file(store.layout().blob(digest)).value();
    EXPECT_EQ(app::sha256_hex(text), digest);
    return json::parse(text);
  }

  fs::path folder_;
};

TEST_F(ImageTest, TheSameFilesInTwoFoldersGiveTheSameDigest) {
  auto venv = make_app("venv", false);
  auto first = open_store("first"), second = open_store("second");
  auto one = make_image(*first, make_app("one", false), venv);
  auto other = make_image(*second, make_app("two", true), venv);
  EXPECT_EQ(one.digest, other.digest);
  EXPECT_EQ(one.digest.size(), 64u);
}

TEST_F(ImageTest, AChangeOfTheCodeChangesTheLastLayerOnly) {
  auto venv = make_app("venv", false);
  auto store = open_store("store");
  auto before = make_image(*store, make_app("one", false), venv);
  auto code = make_app("two", false);
  write("two/main.py", "print(2)");
  auto after = make_image(*store, code, venv);
  EXPECT_EQ(before.layers[0].digest, after.layers[0].digest);
  EXPECT_NE(before.layers[1].digest, after.layers[1].digest);
  EXPECT_NE(before.digest, after.digest);
}

TEST_F(ImageTest, AllThatAManifestNamesIsThereUnderItsDigest) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  auto index = json::parse(base::read_file(store->layout().folder() / "index.json").value());
  ASSERT_EQ(index["manifests"].size(), 1u);
  EXPECT_EQ(without_algorithm(index["manifests"][0]), image.digest);
  EXPECT_EQ(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "shop:r1");
  auto manifest = read(*store, image.digest);
  auto config = read(*store, without_algorithm(manifest["config"]));
  EXPECT_EQ(config["os"], "linux");
  EXPECT_THAT(config["config"]["Env"], ElementsAre("A=1", "B=2"));
  EXPECT_TRUE(config["config"]["ExposedPorts"].contains("8000/tcp"));
  ASSERT_EQ(manifest["layers"].size(), 2u);
  for (std::size_t i = 0; i < 2; i++) {
    auto blob = store->layout().blob(without_algorithm(manifest["layers"][i]));
    EXPECT_EQ(digest_file(blob).value(), without_algorithm(manifest["layers"][i]));
    EXPECT_EQ(fs::file_size(blob), manifest["layers"][i]["size"]);
    EXPECT_EQ("sha256:" + app::sha256_hex(gunzipped(blob)), config["rootfs"]["diff_ids"][i]);
  }
}

TEST_F(ImageTest, AnUnpackedLayerHoldsWhatWasPackedAndNothingElse) {
  auto code = make_app("one", true);
  write("one/secret.sh", "true", 04755);
  ASSERT_EQ(::mkfifo((code / "pipe").c_str(), 0644), 0);
  auto store = open_store("store");
  auto layer = store->layer(recipe("app", code, "opt/app"));
  ASSERT_TRUE(layer) << layer.error().describe();
  auto there = store->unpacked(*layer) / "opt/app";
  EXPECT_EQ(base::read_file(there / "z/last.py").value(), "print(3)");
  EXPECT_EQ(fs::read_symlink(there / "link"), "main.py");
  EXPECT_FALSE(fs::exists(there / "pipe"));
  struct stat facts;
  ASSERT_EQ(::stat((there / "main.py").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0644u);
  EXPECT_EQ(facts.st_mtim.tv_sec, kTime);
  ASSERT_EQ(::stat((there / "secret.sh").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755u);
  ASSERT_EQ(::stat((there / "z").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755u);
}

TEST_F(ImageTest, WhatALinkLeadsToIsNotPacked) {
  write("outside/secret", "the host's");
  write("code/main.py", "");
  fs::create_directory_symlink(folder_ / "outside", folder_ / "code/away");
  auto store = open_store("store");
  auto layer = store->layer(recipe("app", folder_ / "code", "app"));
  ASSERT_TRUE(layer) << layer.error().describe();
  EXPECT_THAT(gunzipped(store->layout().blob(layer->digest)), testing::Not(HasSubstr("the host's")));
  EXPECT_TRUE(fs::is_symlink(store->unpacked(*layer) / "app/away"));
}

TEST_F(ImageTest, ALayerIsMadeOnceForItsKey) {
  auto code = make_app("one", false);
  auto store = open_store("store");
  int made = 0;
  auto counted = recipe("app", code, "app");
  counted.sources = [&, sources = counted.sources](const fs::path& scratch) {
    made++;
    return sources(scratch);
  };
  EXPECT_FALSE(store->find(counted));
  ASSERT_TRUE(store->layer(counted));
  ASSERT_TRUE(store->layer(counted));
  EXPECT_TRUE(open_store("store")->find(counted));
  EXPECT_EQ(made, 1);
}

TEST_F(ImageTest, ForgettingAnOwnerLeavesWhatOthersHave) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  auto shared = recipe("base", make_app("base", false), "");
  shared.owner = kHostOwner;
  auto base = store->layer(shared);
  ASSERT_TRUE(base);
  ASSERT_TRUE(store->forget("shop"));
  EXPECT_TRUE(store->layout().images()->empty());
  EXPECT_TRUE(store->find(shared));
  EXPECT_FALSE(fs::exists(store->layout().blob(image.digest)));
  EXPECT_FALSE(fs::exists(store->unpacked(image.layers[1])));
  EXPECT_EQ(std::distance(fs::directory_iterator(store->layout().folder() / "blobs/sha256"), {}), 1);
}

TEST_F(ImageTest, AnExportedFolderIsALayoutWithThatImageAlone) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  ASSERT_TRUE(store->add_image("shop:r2", image.layers, {}));
  auto to = folder_ / "exported";
  auto done = export_image(store->layout().folder(), image.name, image.digest, to);
  ASSERT_TRUE(done) << done.error().describe();
  auto layout = Layout::open(to);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->images()->at("shop:r1"), image.digest);
  EXPECT_EQ(layout->images()->size(), 1u);
  auto digests = blobs_of(to, image.digest);
  for (const auto& digest : *digests) EXPECT_EQ(digest_file(layout->blob(digest)).value(), digest);
  auto again = export_image(store->layout().folder(), image.name, image.digest, to);
  EXPECT_EQ(again.error().kind(), base::Kind::conflict);
}

TEST_F(ImageTest, AnExportedArchiveIsTheSameEachTime) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  std::string digests[2];
  for (int i = 0; i < 2; i++) {
    auto to = folder_ / fmt::format("{}.tar", i);
    auto done = export_image(store->layout().folder(), image.name, image.digest, to);
    ASSERT_TRUE(done) << done.error().describe();
    digests[i] = digest_file(to).value();
  }
  EXPECT_EQ(digests[0], digests[1]);
  auto listed = base::run({.argv = {"/bin/tar", "-tf", (folder_ / "0.tar").string()}}, std::chrono::seconds(10));
  EXPECT_THAT(listed->out, HasSubstr("blobs/sha256/" + image.digest));
  EXPECT_THAT(listed->out, HasSubstr("oci-layout\nindex.json\n"));
}

}  // namespace
}  // namespace image
