#include "image/foreign.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/digest.h"
#include "base/file.h"
#include "image/layout.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

struct Entry {
  std::string path;
  unsigned type = AE_IFREG;
  std::string content;  // or where a link leads
  unsigned mode = 0644;
  bool hard = false;
};

class ForeignTest : public testing::Test {
 protected:
  ForeignTest() {
    std::string pattern = (fs::temp_directory_path() / "serai-foreign-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    fs::create_directories(layout() / "blobs/sha256");
    fs::create_directory(target());
  }
  ~ForeignTest() override { (void)base::remove_tree(folder_); }

  fs::path layout() const { return folder_ / "layout"; }
  fs::path target() const { return folder_ / "target"; }

  json add_blob(const std::string& content) {
    auto digest = app::sha256_hex(content);
    std::ofstream(layout() / "blobs/sha256" / digest) << content;
    return {{"digest", "sha256:" + digest}, {"size", content.size()}};
  }
  // `filter`: one of libarchive's.
  json add_layer(const std::vector<Entry>& entries, int filter = ARCHIVE_FILTER_GZIP) {
    auto file = folder_ / "layer";
    auto* tar = archive_write_new();
    archive_write_set_format_pax_restricted(tar);
    archive_write_add_filter(tar, filter);
    archive_write_open_filename(tar, file.c_str());
    for (const auto& entry : entries) {
      auto* header = archive_entry_new();
      archive_entry_set_pathname(header, entry.path.c_str());
      archive_entry_set_filetype(header, entry.type);
      archive_entry_set_perm(header, static_cast<mode_t>(entry.mode));
      if (entry.hard) archive_entry_set_hardlink(header, entry.content.c_str());
      if (entry.type == AE_IFLNK) archive_entry_set_symlink(header, entry.content.c_str());
      bool has_content = entry.type == AE_IFREG && !entry.hard;
      archive_entry_set_size(header, has_content ? static_cast<la_int64_t>(entry.content.size()) : 0);
      archive_write_header(tar, header);
      if (has_content) archive_write_data(tar, entry.content.data(), entry.content.size());
      archive_entry_free(header);
    }
    archive_write_free(tar);
    return add_blob(base::read_file(file).value());
  }
  void write_image(const std::vector<json>& layers, const std::string& machine = architecture()) {
    auto config = add_blob(json{{"os", "linux"}, {"architecture", machine}}.dump());
    auto manifest = add_blob(json{{"config", config}, {"layers", layers}}.dump());
    std::ofstream(layout() / "index.json") << json{{"manifests", {manifest}}}.dump();
  }
  std::string read(const std::string& path) { return base::read_file(target() / path).value_or("?"); }

  fs::path folder_;
};

TEST_F(ForeignTest, TheUpperLayersLieOverTheLowerOnes) {
  write_image(
      {add_layer({{"etc/", AE_IFDIR, "", 0700}, {"etc/a", AE_IFREG, "old"}, {"etc/b", AE_IFREG, "goes"}}),
       add_layer({{"etc/a", AE_IFREG, "new", 04755}, {"etc/.wh.b"}, {"etc/c", AE_IFLNK, "a"}}, ARCHIVE_FILTER_ZSTD),
       add_layer({{"etc/d", AE_IFREG, "etc/a", 0644, true}}, ARCHIVE_FILTER_NONE)});
  auto done = flatten_image(layout(), target());
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(read("etc/a"), "new");
  EXPECT_EQ(read("etc/d"), "new");
  EXPECT_EQ(fs::read_symlink(target() / "etc/c"), "a");
  EXPECT_FALSE(fs::exists(target() / "etc/b"));
  struct stat facts;
  ASSERT_EQ(::stat((target() / "etc/a").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0755u);
  ASSERT_EQ(::stat((target() / "etc").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
}

TEST_F(ForeignTest, NamesBeyondAsciiAndLongOnesAreKept) {
  auto name = "usr/share/Főtanúsítvány-" + std::string(180, 'x');
  write_image({add_layer({{name, AE_IFREG, "x"}})});
  auto done = flatten_image(layout(), target());
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(read(name), "x");
}

TEST_F(ForeignTest, NothingIsWrittenThroughALinkThatALayerBrings) {
  auto outside = folder_ / "outside";
  fs::create_directory(outside);
  write_image({add_layer({{"way", AE_IFLNK, outside.string()}, {"file", AE_IFLNK, outside / "file"}}),
               add_layer({{"way/in", AE_IFREG, "x"}, {"file", AE_IFREG, "x"}})});
  auto done = flatten_image(layout(), target());
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_TRUE(fs::is_empty(outside));
  EXPECT_EQ(read(outside.relative_path() / "in"), "x") << "as in a chroot";
  EXPECT_EQ(read("file"), "x");
  for (const auto& path : {"../escaped", "a/../../escaped"}) {
    write_image({add_layer({{path, AE_IFREG, "x"}})});
    EXPECT_THAT(flatten_image(layout(), target()).error().describe(), HasSubstr("upwards"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "escaped"));
}

TEST_F(ForeignTest, WhatIsTooMuchIsRefused) {
  write_image({add_layer({{"a", AE_IFREG, std::string(100, 'x')}})});
  EXPECT_THAT(flatten_image(layout(), target(), {.bytes = 99}).error().describe(), HasSubstr("more than"));
  auto full = flatten_image(layout(), target(), {.free_bytes = 1ULL << 60});
  EXPECT_EQ(full.error().kind(), base::Kind::unavailable);
}

TEST_F(ForeignTest, AnotherMachinesImageIsRefusedByName) {
  write_image({}, "s390x");
  auto done = flatten_image(layout(), target());
  EXPECT_EQ(done.error().kind(), base::Kind::unsupported);
  EXPECT_THAT(done.error().describe(), HasSubstr("linux/s390x"));
}

TEST_F(ForeignTest, AWrongLayerIsNamed) {
  write_image({add_blob("this is no archive, and long enough to be told from one")});
  EXPECT_THAT(flatten_image(layout(), target()).error().describe(), HasSubstr("layer "));
}

}  // namespace
}  // namespace image
