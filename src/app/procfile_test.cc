#include "app/procfile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/command_line.h"

namespace app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::vector<std::string> argv(std::string_view text, const std::map<std::string, std::string>& environment = {}) {
  auto line = CommandLine::parse(text);
  return line ? line->argv(lookup_in(environment)) : std::vector<std::string>{"error", line.error().message()};
}

TEST(Procfile, ReadsNamesAndCommandsAndSkipsComments) {
  auto lines = parse_procfile("# start\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\r\n\nmail_er-2:python x.py\n");
  ASSERT_TRUE(lines) << lines.error().describe();
  ASSERT_EQ(lines->size(), 2u);
  EXPECT_EQ((*lines)[0].command, "gunicorn app:app --bind 0.0.0.0:$PORT");
  EXPECT_EQ((*lines)[1].name, "mail_er-2");
  EXPECT_EQ((*lines)[1].line, 4);
}

TEST(Procfile, RefusesBadAndDuplicateLinesWithTheirNumber) {
  EXPECT_EQ(parse_procfile("web: a\nweb: b\n").error().message(), "Procfile:2: web is already defined in line 1");
  EXPECT_EQ(parse_procfile("\nrun this\n").error().message(),
            "Procfile:2: expected `name: command`, found \"run this\"");
  EXPECT_EQ(parse_procfile("web:\n").error().message(), "Procfile:1: web has no command");
  EXPECT_EQ(parse_procfile("web: 'a\n").error().message(), "Procfile:1: web: a quote (') is not closed");
}

TEST(CommandLine, SplitsByAShellsQuotingRules) {
  EXPECT_THAT(argv(R"(a 'b c' "d e" f\ g '' "x"'y'z)"), ElementsAre("a", "b c", "d e", "f g", "", "xyz"));
  EXPECT_THAT(argv(R"(a "\"q\" \n \\")"), ElementsAre("a", R"("q" \n \)"));
  EXPECT_THAT(argv("a b # comment"), ElementsAre("a", "b"));
}

TEST(CommandLine, ExpandsVariablesWithoutSplittingThem) {
  std::map<std::string, std::string> environment{{"PORT", "80"}, {"ARGS", "x y"}};
  EXPECT_THAT(argv("s -b 0.0.0.0:$PORT ${ARGS} '$PORT' \"${PORT}!\" ${NONE:-7} $NONE end$", environment),
              ElementsAre("s", "-b", "0.0.0.0:80", "x y", "$PORT", "80!", "7", "end$"));
}

TEST(CommandLine, TakesAssignmentsAndAFolderFromTheFront) {
  auto line = CommandLine::parse("cd src && A=1 B=\"x $HOME\" exec gunicorn app:app C=3");
  ASSERT_TRUE(line) << line.error().describe();
  EXPECT_EQ(line->folder(), "src");
  std::map<std::string, std::string> environment{{"HOME", "/h"}};
  EXPECT_THAT(line->assignments(lookup_in(environment)), ElementsAre(Pair("A", "1"), Pair("B", "x /h")));
  EXPECT_THAT(line->words(), ElementsAre("gunicorn", "app:app", "C=3"));
}

TEST(CommandLine, RefusesWhatOnlyAShellCanDoAndSaysWhatToWrite) {
  auto refused = CommandLine::parse("python manage.py migrate && gunicorn x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "'&&' needs a shell, and commands run without one");
  EXPECT_THAT(refused.error().advice(), HasSubstr("release: COMMAND"));
  for (auto text : {"a | b", "a; b", "a > log", "a < in", "a &", "a $(b)", "a `b`", "a || b", "(a)", "\"`b`\""}) {
    EXPECT_THAT(argv(text)[1], HasSubstr("needs a shell")) << text;
  }
  EXPECT_THAT(argv("a ${X"), ElementsAre("error", HasSubstr("expected ${NAME}")));
  EXPECT_THAT(argv("cd ../x && a")[1], HasSubstr("inside the app"));
  EXPECT_THAT(argv("A=1"), ElementsAre("error", "the command is empty"));
}

}  // namespace
}  // namespace app
