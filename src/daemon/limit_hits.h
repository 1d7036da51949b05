// Limits that an instance hit, as events of its app: its counters go with it, the events stay.
#pragma once

#include <string>

#include "allocation/limits.h"
#include "daemon/services.h"

namespace control_plane {

// Of memory that ran out the supervisor tells (Watcher::record); these are the other limits.
constexpr const char* kProcessesHit = "processes";
constexpr const char* kCpuHit = "cpu";
constexpr const char* kMemoryHit = "memory";

// Adds an event for each limit that was hit since `known`, which is brought up to date.
void record_hits(Services& services, const std::string& app, const std::string& instance, allocation::LimitHits& known);
// All of them, for an instance that is about to end.
inline void record_hits(Services& services, const std::string& app, const std::string& instance) {
  allocation::LimitHits none;
  record_hits(services, app, instance, none);
}

}  // namespace control_plane
