// What an OCI runtime is given for one container (runtime-spec 1.0): config.json, written by us, and the files of /etc
// that are an instance's own.
#pragma once

#include <map>

#include "environment/container/runtime.h"
#include "environment/shared/view.h"

namespace environment {

// One container's folders, all below ROOT/instances/<id>/own.
struct BundlePlaces {
  explicit BundlePlaces(const std::filesystem::path& own)
      : bundle(own / "bundle"), state(own / "runtime"), upper(own / "root" / "upper"), work(own / "root" / "work") {}
  std::filesystem::path bundle, state, upper, work;
  // The names of the image's unpacked layers that are below the root, one a line: they must stay.
  std::filesystem::path layers() const { return bundle / "layers"; }
};

// The files of /etc that are an instance's own, by their names: its user, and what the host says of itself. `layers`
// are the image's folders, the topmost first.
std::map<std::string, std::string> instance_etc(Identity user, const std::vector<std::string>& layers);

// Makes the folders: config.json in the bundle, and mount points and files of /etc in the upper folder. `layers` are
// the image's, the topmost first; `group` is the cgroups path for a runtime that makes groups,
// else empty.
base::Result<void> write_bundle(const BundlePlaces& places, const instance::Plan& plan, const SystemView& view,
                                const std::vector<std::string>& layers, const std::string& group);

}  // namespace environment
