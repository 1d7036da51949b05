#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

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
  static Export exported(const Store& store, const Image& image, Export::Format format = Export::Format::oci) {
    return {.layout = store.layout().folder(), .name = image.name, .manifest = image.digest, .format = format};
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

TEST_F(ImageTest, OtherLayersAreMadeWhileOneIs) {
  auto store = open_store("store");
  auto slow = recipe("app", make_app("one", false), "app"), quick = recipe("app", make_app("two", true), "app");
  slow.owner = "slow";
  std::promise<void> begun, quick_is_made;
  slow.sources = [&, sources = slow.sources](const fs::path& scratch) {
    begun.set_value();
    EXPECT_EQ(quick_is_made.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
    return sources(scratch);
  };
  auto made = std::async(std::launch::async, [&] { return store->layer(slow).has_value(); });
  begun.get_future().wait();
  EXPECT_TRUE(store->layer(quick));
  quick_is_made.set_value();
  EXPECT_TRUE(made.get());
}

TEST_F(ImageTest, OneLayerIsMadeByOneThreadWhileOthersWait) {
  auto store = open_store("store");
  std::atomic<int> made = 0;
  auto counted = recipe("app", make_app("one", false), "app");
  counted.sources = [&, sources = counted.sources](const fs::path& scratch) {
    made++;
    return sources(scratch);
  };
  std::vector<std::future<bool>> threads;
  for (int i = 0; i < 8; i++)
    threads.push_back(std::async(std::launch::async, [&] { return store->layer(counted).has_value(); }));
  for (auto& thread : threads) EXPECT_TRUE(thread.get());
  EXPECT_EQ(made, 1);
}

TEST_F(ImageTest, AFileLargerThanALayerMayBeIsRefusedByItsName) {
  auto code = make_app("one", false);
  fs::resize_file(write("one/huge.bin", ""), 8ULL << 40);  // a hole: nothing is on the disk
  auto store = open_store("store");
  auto refused = store->layer(recipe("app", code, "app"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), base::Kind::invalid);
  EXPECT_THAT(refused.error().describe(), HasSubstr("put app/huge.bin into an image"));
  EXPECT_TRUE(fs::is_empty(folder_ / "store/scratch"));
}

TEST_F(ImageTest, PackingLeavesRoomOnTheDiskAndCountsFiles) {
  auto code = make_app("one", false);
  auto pack = [&](const Bounds& bounds) {
    auto blob = base::open((folder_ / "blob").string(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    return write_layer("app", {{.from = code, .to = "app"}}, *blob, bounds);
  };
  EXPECT_TRUE(pack({}));
  auto full = pack({.free_bytes = 1ULL << 60});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().kind(), base::Kind::unavailable);
  EXPECT_THAT(full.error().describe(), HasSubstr("free on the disk"));
  auto many = pack({.entries = 3});
  ASSERT_FALSE(many);
  EXPECT_THAT(many.error().describe(), HasSubstr("more than 3 files"));
}

TEST_F(ImageTest, ANameThatRemovesAFileInAnImageIsRefused) {
  auto code = make_app("one", false);
  write("one/z/.wh.main.py", "");
  auto refused = open_store("store")->layer(recipe("app", code, "app"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().describe(), HasSubstr("app/z/.wh.main.py"));
}

TEST_F(ImageTest, WhatAKilledProcessLeftIsRemovedAndWhatCannotBeStopsNobody) {
  auto store = open_store("store");
  auto layer = store->layer(recipe("app", make_app("one", false), "app"));
  ASSERT_TRUE(layer);
  write("store/scratch/abc/source/file", "half");
  write("store/layers/00000000000000000000000000000000/app/main.py", "no key names it");
  auto kept = store->unpacked(*layer);
  EXPECT_EQ(open_store("store")->unpacked(*layer), kept);
  EXPECT_TRUE(fs::is_empty(folder_ / "store/scratch"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "store/layers"), {}), 1);
  if (::geteuid() != 0) return;
  auto place = folder_ / "store/scratch/abc/dev";
  fs::create_directories(place);
  std::thread([&] {  // mount namespaces are a thread's
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("none", place.c_str(), "tmpfs", 0, nullptr), 0);
    write("store/scratch/abc/dev/theirs", "x");
    auto again = open_store("store");
    EXPECT_TRUE(fs::exists(place / "theirs"));
    EXPECT_TRUE(again->layer(recipe("app", make_app("two", true), "elsewhere")));
  })
      .join();
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
  auto done = export_image(exported(*store, image), to);
  ASSERT_TRUE(done) << done.error().describe();
  auto layout = Layout::open(to);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->images()->at("shop:r1"), image.digest);
  EXPECT_EQ(layout->images()->size(), 1u);
  auto digests = blobs_of(to, image.digest);
  for (const auto& digest : *digests) EXPECT_EQ(digest_file(layout->blob(digest)).value(), digest);
  auto again = export_image(exported(*store, image), to);
  EXPECT_EQ(again.error().kind(), base::Kind::conflict);
}

TEST_F(ImageTest, AnExportedArchiveIsTheSameEachTime) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  std::string digests[2];
  for (int i = 0; i < 2; i++) {
    auto to = folder_ / fmt::format("{}.tar", i);
    auto done = export_image(exported(*store, image), to);
    ASSERT_TRUE(done) << done.error().describe();
    digests[i] = digest_file(to).value();
  }
  EXPECT_EQ(digests[0], digests[1]);
  auto listed = base::run({.argv = {"/bin/tar", "-tf", (folder_ / "0.tar").string()}}, std::chrono::seconds(10));
  EXPECT_THAT(listed->out, HasSubstr("blobs/sha256/" + image.digest));
  EXPECT_THAT(listed->out, HasSubstr("oci-layout\nindex.json\n"));
}

TEST_F(ImageTest, AnArchiveForDockerNamesConfigurationAndLayersInTheirOrder) {
  auto store = open_store("store");
  auto image = make_image(*store, make_app("one", false), make_app("venv", false));
  auto to = folder_ / "docker";
  auto done = export_image(exported(*store, image, Export::Format::docker_archive), to);
  ASSERT_TRUE(done) << done.error().describe();
  auto unpacked = folder_ / "unpacked";
  fs::create_directory(unpacked);
  auto tar = base::run({.argv = {"/bin/tar", "-xf", to.string(), "-C", unpacked.string()}}, std::chrono::seconds(10));
  ASSERT_TRUE(tar && base::succeeded(tar->status));
  auto manifest = json::parse(base::read_file(unpacked / "manifest.json").value());
  ASSERT_EQ(manifest.size(), 1u);
  EXPECT_EQ(manifest[0]["RepoTags"], json::array({"shop:r1"}));
  auto config = json::parse(base::read_file(unpacked / manifest[0]["Config"].get<std::string>()).value());
  ASSERT_EQ(manifest[0]["Layers"].size(), 2u);
  for (std::size_t i = 0; i < 2; i++) {
    auto layer = unpacked / manifest[0]["Layers"][i].get<std::string>();
    EXPECT_EQ(config["rootfs"]["diff_ids"][i], "sha256:" + app::sha256_hex(gunzipped(layer)));
  }
}

}  // namespace
}  // namespace image
