// environment::KeptData: the data rule of docs/architecture.md ("Data beside the code"), on the host's side. Plans the
// mounts that put /app together, keeps the record of what is data and who needs which mount point, and adopts what an
// ended instance wrote elsewhere. One lock per app; everything in the app's folders is touched by descriptor, without
// links.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "environment/data/tree.h"
#include "environment/environment.h"
#include "environment/layout.h"
#include "environment/lock.h"
#include "instance/plan.h"

namespace environment {

// One instance's own writable layer over its release.
struct Layer {
  std::string id;
  std::filesystem::path code, upper, work;
  std::filesystem::path view;  // where the instance's root is put together
};

struct AppView {
  std::vector<instance::Mount> mounts;
  std::vector<std::string> made_data;  // release files that became data just now
};

// ROOT/apps/<app>/kept.json.
struct KeptRecord {
  std::set<std::string> folders, files;                       // relative to /app
  std::map<std::string, std::set<std::string>> mount_points;  // by instance: made in the kept folder for its release
};

class KeptData {
 public:
  // Holds the app's lock until it goes.
  static base::Result<KeptData> open(const Layout& layout, const std::string& app, Identity owner);

  // Makes the layer's folders and all mount points; to be undone with `let_go`.
  base::Result<AppView> prepare(const Layer& layer, const std::vector<std::string>& folders,
                                const std::vector<std::string>& files);
  // After the layer's instance has ended: moves what it wrote to the kept folder.
  base::Result<Adoption> adopt(const Layer& layer);
  // What `adopt` would find now.
  base::Result<std::vector<std::string>> unadopted(const Layer& layer);
  // Removes mount points that no instance needs any more.
  base::Result<void> let_go(const std::string& id);
  // The instances that mount points are remembered for.
  std::vector<std::string> users() const;
  const KeptRecord& record() const { return record_; }

 private:
  struct MountPoint {
    std::string path;
    bool folder;
  };
  struct Planning;  // what one `prepare` gathers
  struct Written;

  KeptData(Lock lock, Layout layout, std::string app, Identity owner, base::Fd data)
      : lock_(std::move(lock)),
        layout_(std::move(layout)),
        app_(std::move(app)),
        owner_(owner),
        data_(std::move(data)) {}
  base::Result<void> load();
  base::Result<void> save();
  base::Result<void> plan_folder(Planning& planning, const std::string& path);
  base::Result<void> plan_entries(Planning& planning, const std::string& path);
  base::Result<void> plan_entry(Planning& planning, const base::Fd& release, const std::string& path,
                                const Entry& entry);
  base::Result<void> plan_link(Planning& planning, const base::Fd& release, const std::string& path,
                               const std::string& target);
  bool is_data(const Planning& planning, const base::Fd& release, const std::string& path,
               const std::string& name) const;
  bool shows_kept(const Planning& planning, const std::string& path) const;
  base::Result<void> make_mount_points(Planning& planning, const std::string& id);
  void plan_absent(Planning& planning) const;
  base::Result<void> make_mount_point(const MountPoint& point, const std::string& id);
  bool is_mount_point(const std::string& path, const std::string& except) const;
  base::Result<void> remove_mount_point(const std::string& path);
  base::Result<void> scan(const Layer& layer, const base::Fd& upper, const base::Fd* release, const std::string& path,
                          std::vector<Written>& found);
  base::Result<std::vector<Written>> scan(const Layer& layer);
  base::Result<void> keep(const Layer& layer, const base::Fd& upper, const Written& written, Adoption& adoption);

  Lock lock_;
  Layout layout_;
  std::string app_;
  Identity owner_;
  base::Fd data_;
  KeptRecord record_;
};

}  // namespace environment
