#include "app/image_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(ImageReferenceTest, ItsPartsAreFound) {
  auto one = ImageReference::parse("registry.example.org:5000/team/shop_a.b--c:r7@" + kDigest);
  ASSERT_TRUE(one) << one.error().describe();
  EXPECT_EQ(one->registry, "registry.example.org:5000");
  EXPECT_EQ(one->repository, "team/shop_a.b--c");
  EXPECT_EQ(one->tag, "r7");
  EXPECT_EQ(one->digest, kDigest);
}

TEST(ImageReferenceTest, ItIsWrittenAsItWasRead) {
  for (const std::string text : {"localhost/shop:1", "127.0.0.1:5000/a/b/c:V_1.0-x", "[::1]:5000/shop:r1"}) {
    auto one = ImageReference::parse("docker://" + text);
    ASSERT_TRUE(one) << one.error().describe();
    EXPECT_EQ(one->to_string(), text);
  }
}

TEST(ImageReferenceTest, WithoutATagItIsTheLatest) {
  EXPECT_EQ(ImageReference::parse("r.example.org/shop")->to_string(), "r.example.org/shop:latest");
  EXPECT_EQ(ImageReference::parse("r.example.org/shop@" + kDigest)->to_string(), "r.example.org/shop@" + kDigest);
}

TEST(ImageReferenceTest, ARegistryIsNeverGuessed) {
  for (const char* text : {"", "shop", "shop:r1", "library/shop", "/shop", "--help", "-v/shop"}) {
    auto one = ImageReference::parse(text);
    ASSERT_FALSE(one) << text;
    EXPECT_THAT(one.error().describe(), HasSubstr("registry"));
    EXPECT_THAT(one.error().advice(), HasSubstr("REGISTRY/NAME:TAG"));
  }
}

TEST(ImageReferenceTest, WhatNoRegistryTakesIsRefused) {
  for (std::string text :
       {"r.io/Shop",     "r.io/",           "r.io//shop", "r.io/shop/",        "r.io/shop:",       "r.io/shop:-1",
        "r.io/../shop",  "r.io/sh op",      "r.io/a___b", "r.io/a..b",         "r.io/a._b",        "r.io/_a",
        "r.io/shop:a:b", "r.io/shop@md5:0", "r.io:/shop", "r.io:port/shop",    "r.io:123456/shop", "-r.io/shop",
        "r-.io/shop",    "r..io/shop",      "r.io./shop", "https://r.io/shop", "dir:/etc/shop",    "oci:/etc/shop:r1"})
    EXPECT_FALSE(ImageReference::parse(text)) << text;
  EXPECT_FALSE(ImageReference::parse("r.io/" + std::string(300, 'a')));
  EXPECT_FALSE(ImageReference::parse("r.io/shop:" + std::string(129, 'a')));
  EXPECT_FALSE(ImageReference::parse(std::string("r.io/shop\0:r1", 13)));
}

}  // namespace
}  // namespace app
