#include "http/header.h"

#include <gtest/gtest.h>

#include <string>

#include "http/message.h"

namespace http {
namespace {

TEST(Header, EveryKnownNameIsFoundInAnyCase) {
  for (std::size_t id = 1; id < header_names.size(); ++id) {
    std::string name(header_names[id]);
    EXPECT_EQ(find_header_id(name), static_cast<HeaderId>(id)) << name;
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(find_header_id(name), static_cast<HeaderId>(id)) << name;
  }
}

// A carriage return differs from "-" in the bit that tells upper case from lower case.
TEST(Header, CaseIsFoldedForLettersOnly) {
  for (std::size_t id = 1; id < header_names.size(); ++id) {
    for (std::size_t at = 0; at < header_names[id].size(); ++at) {
      std::string name(header_names[id]);
      name[at] = static_cast<char>(name[at] ^ 0x20);
      EXPECT_EQ(find_header_id(name), name[at] == '\r' ? HeaderId::other : static_cast<HeaderId>(id)) << name;
      name[at] = static_cast<char>(name[at] ^ 0x40);
      EXPECT_EQ(find_header_id(name), HeaderId::other) << name;
    }
  }
}

TEST(Header, NamesThatDifferInOneCharacterAreNotFound) {
  for (std::size_t id = 1; id < header_names.size(); ++id) {
    for (std::size_t at = 0; at < header_names[id].size(); ++at) {
      std::string name(header_names[id]);
      name[at] = name[at] == '-' ? '_' : '!';
      EXPECT_EQ(find_header_id(name), HeaderId::other) << name;
    }
  }
  for (std::string_view name : {"", "x", "-", "content-lengthy", "ontent-length"}) {
    EXPECT_EQ(find_header_id(name), HeaderId::other) << name;
  }
}

TEST(Header, ElementsOfAListComeTrimmedAndNeverEmpty) {
  std::string seen;
  for_each_token(" a,, b\t , ,c d,", [&](std::string_view token) { seen += "[" + std::string(token) + "]"; });
  EXPECT_EQ(seen, "[a][b][c d]");
}

TEST(Header, HopByHopFieldsAreTheFixedOnesAndThoseThatConnectionNames) {
  const Header headers[] = {{"Connection", "X-One, close", HeaderId::connection},
                            {"Connection", "x-two", HeaderId::connection},
                            {"X-One", "1"},
                            {"X-Two", "2"},
                            {"X-Three", "3"},
                            {"TE", "trailers", HeaderId::te}};
  auto hop = [&](int i) { return is_hop_by_hop(headers[i], headers, true); };
  EXPECT_TRUE(hop(0) && hop(2) && hop(3) && hop(5));
  EXPECT_FALSE(hop(4));
  EXPECT_FALSE(is_hop_by_hop(headers[2], headers, false));
}

TEST(Message, PhrasesAndMethodsAreKnown) {
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(99), "");
  EXPECT_EQ(reason_phrase(600), "");
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_EQ(find_method("GET"), Method::get);
  EXPECT_EQ(find_method("DELETE"), Method::delete_);
  EXPECT_EQ(find_method("OPTIONS"), Method::options);
  EXPECT_EQ(find_method("get"), Method::other);
  for (std::string_view other : {"GOT", "PAST", "TRICE", "DELATE", "OPTIONZ", "PROPFIND", ""}) {
    EXPECT_EQ(find_method(other), Method::other) << other;
  }
}

}  // namespace
}  // namespace http
