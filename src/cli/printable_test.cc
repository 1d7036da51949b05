#include "cli/printable.h"

#include <gtest/gtest.h>

namespace cli {
namespace {

TEST(PrintableTest, OrdinaryTextStaysAsItIs) {
  EXPECT_EQ(printable("GET /\t200 – größer 日本 \\x1b"), "GET /\t200 – größer 日本 \\x1b");
  EXPECT_EQ(printable(""), "");
}

TEST(PrintableTest, NothingMovesTheCursorOrTalksToTheTerminal) {
  EXPECT_EQ(printable("harmless\rforged"), "harmless\\rforged");
  EXPECT_EQ(printable("\x1b[2J\x1b[H"), "\\x1b[2J\\x1b[H");
  EXPECT_EQ(printable("\x1b]0;title\x07"), "\\x1b]0;title\\x07");
  EXPECT_EQ(printable("one\ntwo\x7f\b"), "one\\ntwo\\x7f\\x08");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\u009b2J");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(PrintableTest, ColoursStayAndEndWithTheText) {
  EXPECT_EQ(printable("\x1b[1;31merror\x1b[0m: no"), "\x1b[1;31merror\x1b[0m: no\x1b[0m");
  EXPECT_EQ(printable("\x1b[38:5:1mred"), "\x1b[38:5:1mred\x1b[0m");
  EXPECT_EQ(printable("\x1b[1"), "\\x1b[1");
}

TEST(PrintableTest, LinesStayLines) { EXPECT_EQ(printable_lines("one\rx\n\ntwo\n"), "one\\rx\n\ntwo\n"); }

}  // namespace
}  // namespace cli
