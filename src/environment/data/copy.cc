#include "environment/data/copy.h"

#include <unistd.h>

#include <climits>

namespace environment {
namespace {

constexpr int kAttempts = 3;

class TreeCopy {
 public:
  TreeCopy(Identity owner, std::uint64_t most_bytes) : owner_(owner), most_bytes_(most_bytes) {}

  base::Result<void> folder(const base::Fd& from, const base::Fd& to) {
    auto entries = list(from);
    if (!entries) return std::unexpected(entries.error());
    for (const auto& entry : *entries) {
      auto copied = one(from, to, entry);
      if (!copied) return base::wrap(copied.error(), "copy " + entry.name);
    }
    return {};
  }
  const Copied& copied() const { return copied_; }

 private:
  base::Result<void> one(const base::Fd& from, const base::Fd& to, const Entry& entry) {
    if (entry.is_folder()) return subfolder(from, to, entry);
    if (entry.is_link()) return link(from, to, entry);
    if (entry.is_file()) return file(from, to, entry);
    copied_.left_out++;
    return {};
  }

  base::Result<void> subfolder(const base::Fd& from, const base::Fd& to, const Entry& entry) {
    auto source = open_folder(from, entry.name);
    if (!source) return std::unexpected(source.error());
    auto target = make_folder(to, entry.name, owner_);
    if (!target) return std::unexpected(target.error());
    return folder(*source, *target);
  }

  base::Result<void> link(const base::Fd& from, const base::Fd& to, const Entry& entry) {
    char target[PATH_MAX];
    auto size = ::readlinkat(from.get(), entry.name.c_str(), target, sizeof target - 1);
    if (size < 0) return gone_is_fine("read a link");
    target[size] = '\0';
    bool made = ::symlinkat(target, to.get(), entry.name.c_str()) == 0 &&
                ::fchownat(to.get(), entry.name.c_str(), owner_.uid, owner_.gid, AT_SYMLINK_NOFOLLOW) == 0;
    if (!made) return base::errno_error("make a link");
    return {};
  }

  base::Result<void> file(const base::Fd& from, const base::Fd& to, const Entry& entry) {
    auto before = entry;
    for (int attempt = 1;; attempt++) {
      copied_.bytes += static_cast<std::uint64_t>(before.facts.st_size);
      if (copied_.bytes > most_bytes_)
        return base::fail(base::Kind::overloaded, "there is more than {} MiB of it", most_bytes_ >> 20);
      if (auto done = copy_file(from, entry.name, to, entry.name, owner_, Copy::passing); !done) {
        if (!look(from, entry.name)) return {};  // it was removed meanwhile
        return done;
      }
      auto after = look(from, entry.name);
      if (!after || is_same(before, *after)) break;
      copied_.bytes -= static_cast<std::uint64_t>(before.facts.st_size);
      if (attempt == kAttempts) {
        copied_.changed_meanwhile = true;
        break;
      }
      if (::unlinkat(to.get(), entry.name.c_str(), 0) < 0) return base::errno_error("copy it again");
      before = *after;
    }
    copied_.files++;
    return {};
  }

  static bool is_same(const Entry& before, const Entry& after) {
    return before.facts.st_ino == after.facts.st_ino && before.facts.st_size == after.facts.st_size &&
           before.facts.st_mtim.tv_sec == after.facts.st_mtim.tv_sec &&
           before.facts.st_mtim.tv_nsec == after.facts.st_mtim.tv_nsec;
  }

  static base::Result<void> gone_is_fine(const char* attempted) {
    if (errno == ENOENT) return {};
    return base::errno_error(attempted);
  }

  Identity owner_;
  std::uint64_t most_bytes_;
  Copied copied_;
};

}  // namespace

base::Result<Copied> copy_tree(const base::Fd& from, const base::Fd& to, Identity owner, std::uint64_t most_bytes) {
  TreeCopy copy(owner, most_bytes);
  if (auto done = copy.folder(from, to); !done) return std::unexpected(done.error());
  return copy.copied();
}

}  // namespace environment
