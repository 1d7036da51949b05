#include "tls/name_table.h"

#include <gtest/gtest.h>

namespace tls {
namespace {

TEST(NameTable, PrefersTheExactNameToAWildcard) {
  NameTable table;
  table.add("*.shop.example", 1);
  table.add("www.shop.example", 2);
  EXPECT_EQ(table.find("www.shop.example"), 2);
  EXPECT_EQ(table.find("api.shop.example"), 1);
}

TEST(NameTable, LetsAWildcardStandForExactlyOneLabel) {
  NameTable table;
  table.add("*.shop.example", 1);
  EXPECT_EQ(table.find("a.b.shop.example"), std::nullopt);
  EXPECT_EQ(table.find("shop.example"), std::nullopt);
  EXPECT_EQ(table.find(".shop.example"), std::nullopt);
}

TEST(NameTable, IgnoresCaseAndTheDotAtTheEnd) {
  NameTable table;
  table.add("Shop.Example", 1);
  EXPECT_EQ(table.find("SHOP.example."), 1);
  EXPECT_EQ(table.find(""), std::nullopt);
  EXPECT_EQ(table.find("."), std::nullopt);
}

TEST(NameTable, KeepsTheFirstIndexOfAName) {
  NameTable table;
  EXPECT_TRUE(table.add("shop.example", 1));
  EXPECT_FALSE(table.add("shop.example", 2));
  EXPECT_EQ(table.find("shop.example"), 1);
}

}  // namespace
}  // namespace tls
