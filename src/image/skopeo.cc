#include "image/skopeo.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>

#include "base/child.h"
#include "base/fd.h"

namespace image {
namespace {

namespace fs = std::filesystem;
using base::Kind;

constexpr std::size_t kMostComplaint = 64 << 10;

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// The message of logrus' last line: `time="…" level=fatal msg="…"`; another program's last line as it is.
std::string last_message(std::string_view complaint) {
  while (complaint.ends_with('\n')) complaint.remove_suffix(1);
  auto begin = complaint.rfind('\n');
  auto line = complaint.substr(begin == complaint.npos ? 0 : begin + 1);
  constexpr std::string_view kKey = " msg=";
  auto at = line.find(kKey);
  if (at == line.npos) return std::string(line);
  line.remove_prefix(at + kKey.size());
  if (!line.starts_with('"')) return std::string(line);
  std::string message;
  for (std::size_t i = 1; i < line.size() && line[i] != '"'; i++) {
    if (line[i] == '\\' && i + 1 < line.size()) i++;
    message += line[i];
  }
  return message;
}

struct Meaning {
  std::string_view sign;  // in the complaint
  Kind kind;
  std::string_view advice;  // {0}: the registry; {1}, {2}: how to trust it, how to log in
};

// The first that fits.
constexpr Meaning kMeanings[] = {
    {"server gave HTTP response to HTTPS client", Kind::unavailable,
     "it speaks plain HTTP: give it a certificate, or {1} if you trust the network up to it"},
    {"x509:", Kind::unavailable,
     "put the certificate of its authority into /etc/containers/certs.d/{0}/ca.crt, or {1}"},
    {"unauthorized", Kind::denied, "log in: {2}"},
    {"authentication required", Kind::denied, "log in: {2}"},
    {"invalid username/password", Kind::denied, "log in anew: {2}"},
    {"denied", Kind::denied, "log in as a user who may do this: {2}"},
    {"manifest unknown", Kind::not_found, "name a tag or digest that {0} has: `skopeo list-tags`"},
    {"name unknown", Kind::not_found, "name a repository that {0} has"},
    {"no such host", Kind::unavailable, "is the registry's name right, and does this host resolve it?"},
    {"connection refused", Kind::unavailable, "is the registry running, and is this its port?"},
    {"i/o timeout", Kind::unavailable, "does this host reach {0}?"},
    {"no space left", Kind::unavailable, "make room on the disk, here or at {0}"},
};

void replace_all(std::string& text, std::string_view sign, const std::string& with) {
  for (auto at = text.find(sign); at != text.npos; at = text.find(sign, at + with.size()))
    text.replace(at, sign.size(), with);
}

// A push has the options of its command; what is fetched is fetched by the daemon.
std::string filled(std::string_view advice, const std::string& registry, Errand errand) {
  bool push = errand == Errand::push;
  std::string text(advice);
  replace_all(text, "{1}", push ? "add --insecure" : "say `insecure = true` of {0} in /etc/containers/registries.conf");
  replace_all(
      text, "{2}",
      push ? "`skopeo login {0}`, or give its file with --authfile" : "`skopeo login {0}` as the daemon's user");
  replace_all(text, "{0}", registry);
  return text;
}

base::Result<std::string> read_complaint(int fd) {
  std::string text;
  for (std::array<char, 4096> buffer;;) {
    auto count = base::read_some(fd, buffer);
    if (!count) return std::unexpected(count.error());
    if (!*count || **count == 0) return text;
    text.append(buffer.data(), **count);
    if (text.size() > kMostComplaint) text.erase(0, text.size() - kMostComplaint);  // the end says why
  }
}

std::function<void()> die_with(pid_t parent) {
  return [parent] {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(125);
  };
}

base::Error without_skopeo(const base::Error& error) {
  if (error.kind() != Kind::not_found) return error;
  return base::Error(Kind::unsupported, "there is no skopeo on this host", "install it: apt-get install skopeo");
}

// It ends with this process. Its arguments hold no secrets: everybody can read them.
base::Result<std::string> run_skopeo(std::vector<std::string> argv, const fs::path& cwd, int progress_fd) {
  auto complaint = base::pipe();
  if (!complaint) return std::unexpected(complaint.error());
  auto nowhere = base::open("/dev/null", O_WRONLY);
  if (!nowhere) return std::unexpected(nowhere.error());
  base::Command command{.argv = std::move(argv), .cwd = cwd.string()};
  command.stdout_fd = progress_fd < 0 ? nowhere->get() : progress_fd;
  command.stderr_fd = complaint->write.get();
  command.in_child = die_with(::getpid());
  auto child = base::Child::spawn(command);
  if (!child) return std::unexpected(without_skopeo(child.error()));
  complaint->write.close();
  auto text = read_complaint(complaint->read.get());
  auto status = child->wait();
  if (!status) return std::unexpected(status.error());
  if (base::succeeded(*status)) return "";
  auto said = text.value_or("");
  return said.empty() ? "skopeo ended with " + base::describe(*status) : said;
}

base::Result<void> check_readable(const fs::path& file) {
  if (file.empty() || ::access(file.c_str(), R_OK) == 0) return {};
  return base::errno_error("read " + file.string());
}

// One that fetches; its standard output.
base::Result<std::string> ask_skopeo(const app::ImageReference& reference, std::vector<std::string> argv,
                                     const std::string& cwd, int cancel_fd) {
  constexpr std::chrono::minutes kPatience{15};
  auto output = base::run(
      {.argv = std::move(argv), .cwd = cwd, .in_child = die_with(::getpid()), .cancel_fd = cancel_fd}, kPatience);
  if (!output) return std::unexpected(without_skopeo(output.error()));
  if (output->cancelled) return base::fail(Kind::unavailable, "the daemon is stopping");
  if (output->timed_out) return base::fail(Kind::unavailable, "it took longer than 15 minutes");
  if (base::succeeded(output->status)) return output->out;
  auto said = output->err.empty() ? "skopeo ended with " + base::describe(output->status) : output->err;
  return std::unexpected(explain_skopeo(said, reference.registry, Errand::fetch));
}

void add_access(std::vector<std::string>& argv, const Access& access, const char* tls_option) {
  // A file that is named beside another folder is meant from here, not from where skopeo is started.
  if (!access.authfile.empty()) argv.insert(argv.end(), {"--authfile", fs::absolute(access.authfile).string()});
  if (access.insecure) argv.push_back(std::string(tls_option) + "=false");
}

}  // namespace

base::Error explain_skopeo(std::string_view complaint, const std::string& registry, Errand errand) {
  auto message = last_message(complaint);
  for (const auto& meaning : kMeanings)
    if (has(message, meaning.sign)) return base::Error(meaning.kind, message, filled(meaning.advice, registry, errand));
  return base::Error(Kind::unavailable, message, "see whether the registry answers: curl https://" + registry + "/v2/");
}

// The policy of /etc/containers is about images that are fetched; this one is our own. A path could hold a colon, so
// the layout is where skopeo is started.
base::Result<void> push_image(const Push& push) {
  if (auto readable = check_readable(push.layout / "index.json"); !readable) return readable;
  if (auto readable = check_readable(push.access.authfile); !readable) return readable;
  std::vector<std::string> argv = {"skopeo", "--insecure-policy", "copy", "--preserve-digests"};
  add_access(argv, push.access, "--dest-tls-verify");
  argv.push_back("oci:.:" + push.name);
  argv.push_back("docker://" + push.to.to_string());
  auto complaint = run_skopeo(std::move(argv), push.layout, push.progress_fd);
  if (complaint && complaint->empty()) return {};
  auto error = complaint ? explain_skopeo(*complaint, push.to.registry, Errand::push) : complaint.error();
  return base::wrap(std::move(error), fmt::format("push {} to {}", push.name, push.to.to_string()));
}

base::Result<std::string> resolve_image(const app::ImageReference& reference, int cancel_fd) {
  if (!reference.digest.empty()) return reference.digest;
  auto text = reference.to_string();
  auto digest = ask_skopeo(reference, {"skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", "docker://" + text},
                           "/", cancel_fd);
  if (!digest) return base::wrap(digest.error(), "look up the image " + text);
  while (digest->ends_with('\n')) digest->pop_back();
  auto pinned = reference;
  pinned.digest = *digest;
  if (app::ImageReference::parse(pinned.to_string())) return *digest;
  return base::fail(Kind::unavailable, "look up the image {}: skopeo answered \"{}\"", text, *digest);
}

// skopeo takes a tag or a digest, not both.
base::Result<void> fetch_image(const app::ImageReference& reference, const fs::path& layout, int cancel_fd) {
  auto from = reference;
  if (!from.digest.empty()) from.tag.clear();
  auto fetched = ask_skopeo(reference, {"skopeo", "copy", "--quiet", "docker://" + from.to_string(), "oci:.:fetched"},
                            layout.string(), cancel_fd);
  if (!fetched) return base::wrap(fetched.error(), "fetch the image " + reference.to_string());
  return {};
}

}  // namespace image
