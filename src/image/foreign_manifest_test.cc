#include "image/foreign_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace image {
namespace {

using testing::ElementsAre;

TEST(ForeignManifestTest, ItsDigestsAreFilesNames) {
  auto digest = std::string(64, 'a');
  auto good = R"({"config":{"digest":"sha256:)" + digest + R"("},"layers":[{"digest":"sha256:)" + digest + R"("}]})";
  auto manifest = parse_manifest(good);
  ASSERT_TRUE(manifest) << manifest.error().describe();
  EXPECT_EQ(manifest->config, digest);
  EXPECT_THAT(manifest->layers, ElementsAre(digest));
  for (std::string wrong : {"", "[]", "{}", "null", R"({"config":{},"layers":[]})", R"({"config":1,"layers":{}})"})
    EXPECT_FALSE(parse_manifest(wrong)) << wrong;
  for (const char* other : {"../../../etc/passwd", "sha256:../x", "sha512:aa"}) {
    auto text = good;
    text.replace(text.rfind("sha256:"), 71, other);
    EXPECT_FALSE(parse_manifest(text)) << text;
  }
}

TEST(ForeignManifestTest, AnIndexNamesOneImage) {
  auto one = R"({"digest":"sha256:)" + std::string(64, 'b') + "\"}";
  EXPECT_EQ(parse_index(R"({"manifests":[)" + one + "]}").value(), std::string(64, 'b'));
  for (const auto& wrong : {std::string(), std::string("{}"), R"({"manifests":[)" + one + "," + one + "]}",
                            std::string(R"({"manifests":[7]})")})
    EXPECT_FALSE(parse_index(wrong)) << wrong;
}

}  // namespace
}  // namespace image
