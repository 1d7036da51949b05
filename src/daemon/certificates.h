// control_plane::Certificates: the certificate files that the edge is to serve and only root can read, as the message
// that takes them to the edge (edge/certificates.h), which judges what is in them. One thread at a time.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "tls/certificate.h"
#include "tls/ticket_keys.h"

namespace control_plane {

class Certificates {
 public:
  explicit Certificates(std::vector<tls::KeyPairFiles> files);

  bool are_wanted() const { return !files_.empty(); }
  // Reads the files. The text of the message, or what is wrong.
  base::Result<std::string> read();
  // Whether reading them again gives something else than the last `read`, be it another error.
  bool have_changed() const;
  // As if nothing had been read: they have changed, until they are read again.
  void forget() { last_.clear(); }

 private:
  base::Result<std::string> read_message() const;

  std::vector<tls::KeyPairFiles> files_;
  tls::TicketSecret secret_;  // every edge of this daemon gets it: they resume each other's sessions
  std::string last_;          // what was read last, or its error
};

}  // namespace control_plane
