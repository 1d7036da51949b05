#include "http/static_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "http/accept_encoding.h"
#include "http/content_type.h"
#include "http/date.h"
#include "http/range.h"
#include "http/static_name.h"

namespace http {
namespace {

constexpr int open_retries = 3;

// A file that is open, with what its validators are made of.
struct Found {
  base::Fd file;
  struct stat facts{};
  std::string_view coding;  // empty for the file itself
};
using MaybeFound = base::Result<std::optional<Found>>;

// Errors that say no more than "there is nothing to be served by this name".
bool is_absence(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:  // a link or a mount leads out of the folder
    case EACCES:
    case EPERM:
    case ENAMETOOLONG:
    case ENXIO:  // a socket
    case EINVAL:
      return true;
    default:
      return false;
  }
}

// O_NONBLOCK: a pipe that somebody put into the folder must not stop us.
MaybeFound open_regular(int folder, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  for (int attempt = 0; attempt < open_retries; ++attempt) {
    fd = ::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;  // EAGAIN: something was renamed meanwhile
  }
  if (fd < 0 && (is_absence(errno) || errno == EAGAIN)) return std::optional<Found>{};
  if (fd < 0) return base::errno_error(fmt::format("open the static file {}", name));
  Found found{.file = base::Fd(static_cast<int>(fd))};
  if (::fstat(found.file.get(), &found.facts) < 0) return base::errno_error(fmt::format("look at {}", name));
  if (!S_ISREG(found.facts.st_mode)) return std::optional<Found>{};
  return found;
}

// The compressed file beside it that the client likes best, if there is one.
MaybeFound open_variant(int folder, const std::string& name, std::string_view accept_encoding) {
  Acceptable acceptable = parse_accept_encoding(accept_encoding);
  struct Variant {
    int quality;
    int preference;  // ours, among those the client likes equally
    std::string_view coding, suffix;
  };
  std::array<Variant, 3> variants{
      {{acceptable.br, 3, "br", ".br"}, {acceptable.zstd, 2, "zstd", ".zst"}, {acceptable.gzip, 1, "gzip", ".gz"}}};
  std::ranges::sort(variants, std::ranges::greater{},
                    [](const Variant& v) { return std::pair(v.quality, v.preference); });
  for (const Variant& variant : variants) {
    if (variant.quality == 0) break;
    auto found = open_regular(folder, name + std::string(variant.suffix));
    if (found && *found) (*found)->coding = variant.coding;
    if (!found || *found) return found;
  }
  return std::optional<Found>{};
}

// Strong: a file of the same size written within one tick of the file system's clock is taken to be the same.
std::string make_etag(const Found& found) {
  auto nanoseconds = static_cast<std::uint64_t>(found.facts.st_mtim.tv_sec) * 1'000'000'000u +
                     static_cast<std::uint64_t>(found.facts.st_mtim.tv_nsec);
  return fmt::format("\"{:x}-{:x}{}{}\"", nanoseconds, found.facts.st_size, found.coding.empty() ? "" : "-",
                     found.coding);
}

// One of a list of entity tags, or "*" (RFC 9110 section 8.8.3). Our tags hold no comma.
bool lists_tag(std::string_view list, std::string_view tag, bool weak_counts) {
  if (list == "*") return true;
  bool found = false;
  for_each_token(list, [&](std::string_view element) {
    if (weak_counts && element.starts_with("W/")) element.remove_prefix(2);
    found |= element == tag;
  });
  return found;
}

class Planner {
 public:
  Planner(const RequestHead& request, Found found, const ContentType& type, bool may_vary, std::string cache_control)
      : request_(request),
        found_(std::move(found)),
        type_(type),
        may_vary_(may_vary),
        cache_control_(std::move(cache_control)) {
    size_ = static_cast<std::uint64_t>(found_.facts.st_size);
    etag_ = make_etag(found_);
    modified_ = found_.facts.st_mtim.tv_sec;
  }

  StaticAnswer plan() && {
    answer_.fields.reserve(10);
    int status = precondition();
    add_validators();
    if (status == 0) {
      status = add_content();
    }
    answer_.status = status;
    return std::move(answer_);
  }

 private:
  std::string_view value(HeaderId id) const {
    const Header* header = request_.find(id);
    return header ? header->value : std::string_view{};
  }
  void add(HeaderId id, std::string text) { answer_.fields.emplace_back(id, std::move(text)); }
  bool is_newer_than(std::string_view date) const {
    auto when = parse_date(date);
    return !when || modified_ > *when;
  }

  // RFC 9110 section 13.2.2, in its order: 0 when the request goes on.
  int precondition() const {
    if (auto tags = value(HeaderId::if_match); !tags.empty()) {
      if (!lists_tag(tags, etag_, false)) return 412;
    } else if (auto date = value(HeaderId::if_unmodified_since); parse_date(date) && is_newer_than(date)) {
      return 412;
    }
    if (auto tags = value(HeaderId::if_none_match); !tags.empty()) {
      if (lists_tag(tags, etag_, true)) return 304;
    } else if (auto date = value(HeaderId::if_modified_since); !date.empty() && !is_newer_than(date)) {
      return 304;
    }
    return 0;
  }

  void add_validators() {
    std::string date(date_length, ' ');
    format_date(modified_, date.data());
    add(HeaderId::etag, etag_);
    add(HeaderId::last_modified, std::move(date));
    add(HeaderId::cache_control, std::move(cache_control_));
    if (may_vary_) add(HeaderId::vary, "Accept-Encoding");
  }

  int add_content() {
    RangeAnswer asked = wants_range() ? parse_range(value(HeaderId::range), size_) : RangeAnswer{};
    add(HeaderId::accept_ranges, "bytes");
    if (asked.kind == RangeKind::unsatisfiable) {
      add(HeaderId::content_range, fmt::format("bytes */{}", size_));
      return 416;
    }
    add(HeaderId::content_type, std::string(type_.name));
    if (!found_.coding.empty()) add(HeaderId::content_encoding, std::string(found_.coding));
    answer_.length = size_;
    if (asked.kind == RangeKind::part) {
      answer_.offset = asked.range.offset;
      answer_.length = asked.range.length;
      add(HeaderId::content_range,
          fmt::format("bytes {}-{}/{}", answer_.offset, answer_.offset + answer_.length - 1, size_));
    }
    answer_.file = std::move(found_.file);
    return asked.kind == RangeKind::part ? 206 : 200;
  }

  // Ranges are for GET (section 14.2), and not when If-Range names another version (section 13.1.5).
  bool wants_range() const {
    if (request_.method != Method::get || value(HeaderId::range).empty()) return false;
    std::string_view condition = value(HeaderId::if_range);
    return condition.empty() || condition == etag_ || parse_date(condition) == modified_;
  }

  const RequestHead& request_;
  Found found_;
  ContentType type_;
  bool may_vary_;
  std::string cache_control_;
  std::uint64_t size_ = 0;
  std::string etag_;
  std::time_t modified_ = 0;
  StaticAnswer answer_;
};

}  // namespace

base::Result<StaticFolder> StaticFolder::open(const std::filesystem::path& folder, const StaticOptions& options) {
  auto opened = base::open(folder, O_PATH | O_DIRECTORY);
  if (!opened) return base::wrap(std::move(opened.error()), "serve static files");
  return StaticFolder(std::move(*opened), options);
}

std::string StaticFolder::cache_control(bool is_immutable) const {
  if (is_immutable) return "public, max-age=31536000, immutable";
  return options_.max_age.count() > 0 ? fmt::format("public, max-age={}", options_.max_age.count()) : "no-cache";
}

base::Result<std::optional<StaticAnswer>> StaticFolder::find(const RequestHead& request, std::string_view path) const {
  if (request.method != Method::get && request.method != Method::head) return std::nullopt;
  auto name = safe_file_name(path, options_.dotfiles);
  if (name && (name->empty() || name->ends_with('/'))) {
    if (!options_.index) return std::nullopt;
    *name += "index.html";
  }
  if (!name) return std::nullopt;
  auto found = open_regular(folder_.get(), *name);
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) return std::nullopt;

  ContentType type = content_type_of(*name);
  bool may_vary = options_.precompressed && type.compressible;
  const Header* accepts = request.find(HeaderId::accept_encoding);
  if (may_vary && accepts) {
    auto variant = open_variant(folder_.get(), *name, accepts->value);
    if (!variant) return std::unexpected(std::move(variant.error()));
    if (*variant) found = std::move(variant);
  }
  bool is_immutable = options_.immutable || has_content_hash(std::string_view(*name).substr(name->rfind('/') + 1));
  return Planner(request, std::move(**found), type, may_vary, cache_control(is_immutable)).plan();
}

}  // namespace http
