#include "http/static_folder.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "http/date.h"
#include "http/h1/request_parser.h"
#include "http/static_name.h"

namespace http {
namespace {

namespace fs = std::filesystem;

class StaticFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "static-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    fs::create_directories(root_ / "files/css");
    put("secret.txt", "secret");
    put("files/a.txt", "0123456789");
    put("files/css/site.css", "body {}");
    put("files/css/site.css.br", "BR");
    put("files/css/site.css.gz", "GZIP");
    put("files/css/base.27e20196a850.css", "hashed");
    put("files/photo.jpg", "JPEG");
    put("files/photo.jpg.gz", "never");
    put("files/.env", "SECRET=1");
    put("files/empty.txt", "");
    put("files/index.html", "<p>");
    put("files/odd name é.txt", "odd");
  }
  void TearDown() override { fs::remove_all(root_); }

  void put(const std::string& name, std::string_view content) {
    ASSERT_TRUE(base::write_file_atomically(root_ / name, content));
  }
  std::optional<StaticAnswer> get(std::string_view path, std::string_view fields = "", std::string_view method = "GET",
                                  const StaticOptions& options = {}) {
    std::string input = fmt::format("{} / HTTP/1.1\r\nHost: a\r\n{}\r\n", method, fields);
    h1::RequestParser parser;
    EXPECT_EQ(parser.next(input).kind, Event::Kind::head) << parser.problem().reason;
    auto folder = StaticFolder::open(root_ / "files", options).value();
    auto answer = folder.find(parser.head(), path);
    EXPECT_TRUE(answer) << answer.error().describe();
    return std::move(*answer);
  }
  static std::string field(const std::optional<StaticAnswer>& answer, HeaderId id) {
    if (!answer) return "(no answer)";
    for (const auto& [name, value] : answer->fields) {
      if (name == id) return value;
    }
    return "";
  }
  // What would be sent.
  static std::string content(const std::optional<StaticAnswer>& answer) {
    if (!answer) return "(no answer)";
    std::string bytes(answer->length, '?');
    if (!answer->file.is_open()) return bytes;
    EXPECT_EQ(::pread(answer->file.get(), bytes.data(), bytes.size(), static_cast<off_t>(answer->offset)),
              static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  fs::path root_;
};

TEST_F(StaticFolderTest, AnswersWithTheFileItsTypeAndItsValidators) {
  auto answer = get("/a.txt");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(content(answer), "0123456789");
  EXPECT_EQ(field(answer, HeaderId::content_type), "text/plain; charset=utf-8");
  EXPECT_TRUE(parse_date(field(answer, HeaderId::last_modified)));
  EXPECT_TRUE(field(answer, HeaderId::etag).starts_with("\""));
  EXPECT_EQ(field(answer, HeaderId::accept_ranges), "bytes");
  EXPECT_EQ(field(answer, HeaderId::vary), "Accept-Encoding");
  EXPECT_EQ(content(get("odd%20name%20%C3%A9.txt")), "odd");
  EXPECT_EQ(content(get("empty.txt")), "");
}

TEST_F(StaticFolderTest, NothingLeadsOutOfTheFolder) {
  fs::create_symlink(root_ / "secret.txt", root_ / "files/absolute.txt");
  fs::create_symlink("../secret.txt", root_ / "files/relative.txt");
  fs::create_symlink("..", root_ / "files/up");
  fs::create_symlink("/", root_ / "files/slash");
  fs::create_symlink("/proc/self/root", root_ / "files/magic");
  fs::create_symlink("loop", root_ / "files/loop");
  for (std::string_view path : {"../secret.txt",
                                "/../secret.txt",
                                "css/../../secret.txt",
                                "css/../a.txt",
                                "%2e%2e/secret.txt",
                                "..%2fsecret.txt",
                                "%2e%2e%2fsecret.txt",
                                "%252e%252e/secret.txt",
                                "..%5csecret.txt",
                                "....//secret.txt",
                                "//secret.txt",
                                "./a.txt",
                                "css/./site.css",
                                "css//site.css",
                                "a.txt%00.jpg",
                                "%00",
                                "a.txt/",
                                "a.txt/.",
                                "a.txt/..",
                                "css%2fsite.css",
                                "absolute.txt",
                                "relative.txt",
                                "up/secret.txt",
                                "slash/etc/passwd",
                                "magic/etc/passwd",
                                "loop",
                                "%",
                                "%zz",
                                "a%2",
                                "/etc/passwd",
                                "\\..\\secret.txt",
                                "..;/secret.txt",
                                "%c0%ae%c0%ae/secret.txt",
                                "%u002e%u002e/secret.txt"}) {
    EXPECT_FALSE(get(path)) << path;
  }
}

TEST_F(StaticFolderTest, LinksThatStayInsideAreFollowed) {
  fs::create_symlink("a.txt", root_ / "files/link.txt");
  EXPECT_EQ(content(get("link.txt")), "0123456789");
}

TEST_F(StaticFolderTest, OnlyRegularFilesAreServed) {
  ASSERT_EQ(::mkfifo((root_ / "files/pipe.txt").c_str(), 0666), 0);
  base::Fd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un name{.sun_family = AF_UNIX};
  fmt::format_to_n(name.sun_path, sizeof name.sun_path - 1, "{}", (root_ / "files/socket.txt").string());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  for (std::string_view path : {"pipe.txt", "socket.txt", "css", "css/", "", "/", "missing.txt", "missing/a.txt"}) {
    EXPECT_FALSE(get(path)) << path;
  }
  EXPECT_FALSE(get(std::string(300, 'n')));
}

TEST_F(StaticFolderTest, DotfilesAndIndexesAreServedOnlyWhenAskedFor) {
  EXPECT_FALSE(get(".env"));
  EXPECT_FALSE(get("%2eenv"));
  EXPECT_EQ(content(get(".env", "", "GET", {.dotfiles = true})), "SECRET=1");
  EXPECT_FALSE(get("../secret.txt", "", "GET", {.dotfiles = true}));
  EXPECT_EQ(content(get("/", "", "GET", {.index = true})), "<p>");
  EXPECT_FALSE(get("css/", "", "GET", {.index = true}));
}

TEST_F(StaticFolderTest, OtherMethodsAreSomebodyElses) {
  EXPECT_FALSE(get("a.txt", "", "POST"));
  EXPECT_FALSE(get("a.txt", "", "OPTIONS"));
  auto head = get("a.txt", "Range: bytes=0-1\r\n", "HEAD");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);  // ranges are for GET
  EXPECT_EQ(head->length, 10u);
}

TEST_F(StaticFolderTest, ACompressedFileBesideItIsSentToThoseWhoTakeIt) {
  auto answer = get("css/site.css", "Accept-Encoding: gzip, br\r\n");
  EXPECT_EQ(content(answer), "BR");
  EXPECT_EQ(field(answer, HeaderId::content_encoding), "br");
  EXPECT_EQ(field(answer, HeaderId::content_type), "text/css; charset=utf-8");
  EXPECT_NE(field(answer, HeaderId::etag), field(get("css/site.css"), HeaderId::etag));
  EXPECT_EQ(content(get("css/site.css", "Accept-Encoding: gzip, br;q=0.5\r\n")), "GZIP");
  EXPECT_EQ(content(get("css/site.css", "Accept-Encoding: zstd, gzip;q=0.1\r\n")), "GZIP");
  EXPECT_EQ(content(get("css/site.css", "Accept-Encoding: br;q=0, gzip;q=0\r\n")), "body {}");
  EXPECT_EQ(content(get("css/site.css", "Accept-Encoding: br\r\n", "GET", {.precompressed = false})), "body {}");
  auto photo = get("photo.jpg", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(content(photo), "JPEG");
  EXPECT_EQ(field(photo, HeaderId::vary), "");
}

TEST_F(StaticFolderTest, RangesOfTheContent) {
  auto part = get("a.txt", "Range: bytes=2-4\r\n");
  EXPECT_EQ(part->status, 206);
  EXPECT_EQ(content(part), "234");
  EXPECT_EQ(field(part, HeaderId::content_range), "bytes 2-4/10");
  EXPECT_EQ(content(get("a.txt", "Range: bytes=-2\r\n")), "89");
  EXPECT_EQ(get("a.txt", "Range: bytes=0-1,4-5\r\n")->status, 200);
  auto beyond = get("a.txt", "Range: bytes=10-\r\n");
  EXPECT_EQ(beyond->status, 416);
  EXPECT_EQ(field(beyond, HeaderId::content_range), "bytes */10");
  EXPECT_EQ(beyond->length, 0u);
  EXPECT_FALSE(beyond->file.is_open());
  EXPECT_EQ(content(get("css/site.css", "Accept-Encoding: gzip\r\nRange: bytes=1-2\r\n")), "ZI");
}

TEST_F(StaticFolderTest, ConditionsAreLookedAtInTheOrderOfTheRfc) {
  auto plain = get("a.txt");
  std::string tag = field(plain, HeaderId::etag), date = field(plain, HeaderId::last_modified);
  auto status = [&](const std::string& fields) { return get("a.txt", fields)->status; };
  EXPECT_EQ(status("If-None-Match: " + tag + "\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: \"x\", W/" + tag + "\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: *\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: \"x\"\r\n"), 200);
  EXPECT_EQ(status("If-Modified-Since: " + date + "\r\n"), 304);
  EXPECT_EQ(status("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 200);
  EXPECT_EQ(status("If-Modified-Since: nonsense\r\n"), 200);
  EXPECT_EQ(status("If-None-Match: \"x\"\r\nIf-Modified-Since: " + date + "\r\n"), 200);
  EXPECT_EQ(status("If-Match: " + tag + "\r\n"), 200);
  EXPECT_EQ(status("If-Match: \"x\"\r\n"), 412);
  EXPECT_EQ(status("If-Match: W/" + tag + "\r\n"), 412);  // strong comparison
  EXPECT_EQ(status("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 412);
  EXPECT_EQ(status("If-Unmodified-Since: " + date + "\r\n"), 200);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: " + tag + "\r\n"), 206);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: " + date + "\r\n"), 206);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: W/" + tag + "\r\n"), 200);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 200);
  auto unchanged = get("a.txt", "If-None-Match: " + tag + "\r\n");
  EXPECT_EQ(field(unchanged, HeaderId::etag), tag);
  EXPECT_EQ(unchanged->length, 0u);
  EXPECT_FALSE(unchanged->file.is_open());
}

TEST_F(StaticFolderTest, ANewContentHasANewTag) {
  std::string before = field(get("a.txt"), HeaderId::etag);
  put("files/a.txt", "9876543210");
  fs::last_write_time(root_ / "files/a.txt", fs::file_time_type::clock::now() + std::chrono::milliseconds(7));
  EXPECT_NE(field(get("a.txt"), HeaderId::etag), before);
}

TEST_F(StaticFolderTest, NamesWithADigestAreCachedForAYear) {
  EXPECT_EQ(field(get("css/base.27e20196a850.css"), HeaderId::cache_control), "public, max-age=31536000, immutable");
  EXPECT_EQ(field(get("a.txt"), HeaderId::cache_control), "public, max-age=60");
  EXPECT_EQ(field(get("a.txt", "", "GET", {.immutable = true}), HeaderId::cache_control),
            "public, max-age=31536000, immutable");
  EXPECT_EQ(field(get("a.txt", "", "GET", {.max_age = std::chrono::hours(1)}), HeaderId::cache_control),
            "public, max-age=3600");
  EXPECT_EQ(field(get("a.txt", "", "GET", {.max_age = std::chrono::seconds(0)}), HeaderId::cache_control), "no-cache");
  EXPECT_TRUE(has_content_hash("a.min.27e20196a850.js"));
  for (std::string_view name : {"report.202611231200.pdf", "a.abcdefabcdef.js", "27e20196a850.js", "a.27e20196a850",
                                "a.27e20196a85.js", "a.27E20196A850.js", "a.js"}) {
    EXPECT_FALSE(has_content_hash(name)) << name;
  }
}

TEST_F(StaticFolderTest, AFolderThatIsNotThereIsAnError) {
  EXPECT_FALSE(StaticFolder::open(root_ / "missing"));
  EXPECT_FALSE(StaticFolder::open(root_ / "secret.txt"));
}

}  // namespace
}  // namespace http
