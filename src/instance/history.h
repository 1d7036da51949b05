// instance::History: what happened in an instance, numbered, for a daemon that connects later, and in a file for one
// that comes after the supervisor has ended.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/fd.h"

namespace instance {

class History {
 public:
  // An app can make its server say as much as it likes: the oldest goes.
  static constexpr std::size_t kKept = 2000, kKeptBytes = 4 << 20;

  explicit History(base::Fd file);
  ~History();
  // Adds "type":"event", "number" and "time" (seconds since 1970) to {"event":…,…}, keeps and returns it.
  const nlohmann::json& add(nlohmann::json event);
  const std::deque<nlohmann::json>& events() const;
  long last_number() const { return next_ - 1; }

 private:
  struct Events;
  void write(const std::string& line);
  base::Fd file_;
  std::size_t file_bytes_ = 0;
  std::unique_ptr<Events> events_;
  long next_ = 1;
};

}  // namespace instance
