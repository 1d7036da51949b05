#include "app/upload_report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "app/test_folder.h"

namespace app {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A folder with something of everything that a detection holds.
UploadReport full_report() {
  TestFolder folder;
  folder.write("manage.py", "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n")
      .write("mysite/settings.py", "WSGI_APPLICATION = 'mysite.wsgi.application'\n")
      .write(".python-version", "3.11\n")
      .write("requirements.txt", "Django==5.2\n")
      .write("Procfile", "release: python manage.py migrate $TOKEN\nmailer: python manage.py mail\n")
      .write("serai.toml",
             "[web]\nhealth = \"/up\"\nworkers = 2\nthreads = 3\nstatic = { \"/static\" = \"public\" }\n"
             "[phases]\nbuild = [\"python build.py\"]\n[environment]\nvolumes = { media = \"/app/media\" }\n"
             "kind = \"dedicated\"\n"
             "[allocation]\ncpu = 1\nmemory = \"64MiB\"\nnice = -5\nio_weight = 500\n[routes]\nhosts = "
             "[\"shop.example.org\"]\n"
             "[env]\nDEBUG = \"0\"\nKEY = { generate = 50 }\nTOKEN = { required = true }\n");
  auto detection = detect(folder.open(), {"shop", {{"TOKEN", "hunter2"}}});
  EXPECT_TRUE(detection) << detection.error().describe();
  UploadReport report{{3, 4000, "abc"}, std::move(*detection)};
  report.detection.lock.requirements = "django==5.2 --hash=sha256:00\n";
  return report;
}

json report_json() { return json::parse(to_text(full_report())); }

std::string problem(const std::string& text) {
  auto report = parse_upload_report(text);
  return report ? "no problem" : report.error().describe();
}

TEST(UploadReport, ArrivesAsItWasSent) {
  auto sent = full_report();
  auto text = to_text(sent);
  auto received = parse_upload_report(text);
  ASSERT_TRUE(received) << received.error().describe();
  EXPECT_EQ(to_text(*received), text);
  EXPECT_EQ(received->unpacked.digest, "abc");
  EXPECT_EQ(received->detection.lock.requirements, sent.detection.lock.requirements);
  EXPECT_EQ(received->detection.config.limits.memory, 64u << 20);
  EXPECT_EQ(received->detection.config.limits.nice, -5);
  EXPECT_EQ(received->detection.config.kind, "dedicated");
  EXPECT_EQ(received->detection.config.secrets.at("KEY").length, 50u);
  EXPECT_EQ(received->detection.candidates.at(0).target, "mysite.wsgi:application");
}

TEST(UploadReport, HoldsNoValueOfAVariableThatACommandNames) {
  EXPECT_EQ(to_text(full_report()).find("hunter2"), std::string::npos);
}

TEST(UploadReport, KeepsAnErrorWholeSoThatItReadsAsIfTheDaemonHadMetIt) {
  base::Error error(base::Kind::unsupported, "serai.toml:3: unknown key web.helth", "did you mean web.health?");
  error.add_context("unpack the upload");
  auto received = parse_upload_report(to_text(std::unexpected(error)));
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().kind(), base::Kind::unsupported);
  EXPECT_EQ(received.error().describe(), "unpack the upload: serai.toml:3: unknown key web.helth");
  EXPECT_EQ(received.error().advice(), "did you mean web.health?");
}

TEST(UploadReport, ReplacesBytesThatAreNoUtf8) {
  auto report = full_report();
  report.detection.findings[0].evidence = "caf\xe9.py";
  auto received = parse_upload_report(to_text(report));
  ASSERT_TRUE(received) << received.error().describe();
  EXPECT_EQ(received->detection.findings[0].evidence, "caf\xef\xbf\xbd.py");
}

TEST(UploadReport, SaysWhenThereIsTooMuchToReport) {
  auto report = full_report();
  report.detection.lock.requirements = std::string(kMostReportBytes, 'x');
  EXPECT_THAT(problem(to_text(report)), HasSubstr("16 are the limit"));
}

TEST(UploadReport, RefusesWhatIsNoReport) {
  for (std::string text :
       {"", "{", "[]", "{}", "3", R"({"error": 3})", R"({"error": {}})", R"({"error": {"kind": 3}})"})
    EXPECT_THAT(problem(text), HasSubstr("cannot be used")) << text;
  EXPECT_THAT(problem(std::string(kMostReportBytes + 1, ' ')), HasSubstr("too large"));
  EXPECT_THAT(problem(std::string(100'000, '[')), HasSubstr("nested too deeply"));
  std::string many = "[";
  for (int i = 0; i < 300'000; i++) many += "0,";
  EXPECT_THAT(problem(many + "0]"), HasSubstr("too many values"));
  EXPECT_THAT(problem(R"({"error": {"message": "a\u0000b"}})"), HasSubstr("null character"));
  EXPECT_THAT(problem(json{{"error", {{"message", std::string(100'000, 'x')}}}}.dump()), HasSubstr("too long"));
  auto report = report_json();
  report["detection"]["config"]["web"]["kind"] = std::string(1'000'000, 'x');
  EXPECT_LT(problem(report.dump()).size(), 1000u) << "a message does not quote all of it";
}

// Each of these would lead the root daemon astray; no folder can say it.
TEST(UploadReport, RefusesWhatNoFolderCanSay) {
  struct Lie {
    const char* place;
    json value;
    const char* says;
  };
  const Lie lies[] = {
      {"/detection/config/processes/0/name", "../../../root/.ssh/x", "is not a process name"},
      {"/detection/config/processes/0/name", "", "is no setting"},
      {"/detection/config/name", "Shop/..", "lower-case letters"},
      {"/detection/config/kind", "../shared", "is no kind of environment"},
      {"/detection/config/nice", -100, "between -20 and 19"},
      {"/detection/config/data_folders/0", "../other", "not inside the app"},
      {"/detection/config/data_files", {"/etc/shadow"}, "not inside the app"},
      {"/detection/config/web/folder", "a/../..", "not inside the app"},
      {"/detection/config/static_files", {{"/s", "../.."}}, "inside the app"},
      {"/detection/config/static_files", {{"/a b", "public"}}, "URL prefix"},
      {"/detection/config/hosts", {"*"}, "host name"},
      {"/detection/config/paths", {"/a//b"}, "must start with '/'"},
      {"/detection/config/web/health", "/\r\nX: y", "no spaces"},
      {"/detection/config/web/health_timeout_ms", 1e15, "no whole number"},
      {"/detection/config/web/health_timeout_ms", 1'000'000'000'000, "at most 1d"},
      {"/detection/config/web/workers", 1'000'000, "at most 1024"},
      {"/detection/config/web/workers", 5'000'000'000, "no whole number"},
      {"/detection/config/web/kind", "root", "unknown word root"},
      {"/detection/config/memory", 1, "at least 16MiB"},
      {"/detection/config/cpu", -1.0, "above 0"},
      {"/detection/config/env", {{"A=B", "x"}}, "is not a variable's name"},
      {"/detection/config/env", {{"", "x"}}, "is no setting"},
      {"/detection/settings/0/path", "web.nothing", "no setting web.nothing"},
      {"/detection/python", ">>", ""},
      {"/detection/lock", nullptr, ""},
      {"/detection/explicit", "yes", ""},
      {"/unpacked/files", -1, "no whole number"},
  };
  for (const auto& lie : lies) {
    auto report = report_json();
    report[json::json_pointer(lie.place)] = lie.value;
    auto found = problem(report.dump());
    EXPECT_THAT(found, HasSubstr("cannot be used")) << lie.place;
    EXPECT_THAT(found, HasSubstr(lie.says)) << lie.place;
  }
}

}  // namespace
}  // namespace app
