#include "base/error.h"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Error, TheNewestContextIsPrintedFirst) {
  Error error(Kind::invalid, "no such key");
  error.add_context("line 3").add_context("reading serai.toml");
  EXPECT_EQ(error.describe(), "reading serai.toml: line 3: no such key");
}

TEST(Error, TheKindTableMapsToStatusAndExitCode) {
  EXPECT_EQ(kind_facts(Kind::not_found).http_status, 404);
  EXPECT_EQ(kind_facts(Kind::invalid).exit_code, 2);
  EXPECT_TRUE(kind_facts(Kind::overloaded).retry);
}

TEST(Error, ErrnoGivesKindAndReason) {
  auto error = Error::from_errno("open x", ENOENT);
  EXPECT_EQ(error.kind(), Kind::not_found);
  EXPECT_EQ(error.message(), "open x: No such file or directory");
}

}  // namespace
}  // namespace base
