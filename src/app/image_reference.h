// app::ImageReference: where an image is in a registry, as people write it: "registry.example.org:5000/team/shop:r7".
//
// The grammar is that of the distribution project (distribution-spec 1.1, "Pulling manifests"; docker's
// reference.go), but the registry is never left out: no registry is more ours than others.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace app {

struct ImageReference {
  std::string registry;    // "registry.example.org:5000"
  std::string repository;  // "team/shop"
  std::string tag;         // "r7"; empty: none was given
  std::string digest;      // "sha256:…"; empty: none was given

  // "docker://" before it is taken off. The error names the part that is wrong.
  static base::Result<ImageReference> parse(std::string_view text);
  // The same text for the same place; without a tag and digest that of the tag "latest", as everywhere.
  std::string to_string() const;
};

}  // namespace app
