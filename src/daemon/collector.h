// Collecting what nobody needs any more: releases beyond the last ones, their folders, builds, env files, caches that
// outgrow their budget, uploads. Folders go to the trash and are removed in the background.
#pragma once

#include <chrono>

#include "daemon/services.h"

namespace control_plane {

constexpr int kKeptReleases = 5;                       // per app, the live one included
constexpr std::uint64_t kCacheBudget = 2ULL << 30;     // bytes per app, then its cache is emptied
constexpr std::uint64_t kLeastFreeBytes = 1ULL << 30;  // below this, caches go whatever their size

// What one app no longer needs. Not while a deploy of this app is at work, except by that deploy.
Result<void> collect(Services& services, const std::string& app);
// Everything of an app: instances' rows, releases, builds, data, user. Its instances must be destroyed before.
Result<void> forget_app(Services& services, const std::string& app);
// Left behind by a daemon that died: uploads and half-made folders. Only while nothing is at work.
void sweep(Services& services);
// Uploads that were whole (or given up) `age` ago and that no deploy needs. At any time.
void collect_uploads(Services& services, std::chrono::seconds age);

}  // namespace control_plane
