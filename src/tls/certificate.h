// tls::KeyPair: a certificate chain with its private key, as PEM text, and where both came from (for messages).
//
// Reading checks nothing but that the files can be read; tls::Context looks at what is in them.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace tls {

struct KeyPair {
  std::string certificate;       // PEM: the server's own certificate first, then the intermediate ones
  std::string key;               // PEM, not encrypted
  std::string certificate_file;  // what messages call them
  std::string key_file;
};

// `key_file` may be empty: the key is in the certificate's file then.
base::Result<KeyPair> read_key_pair(const std::string& certificate_file, const std::string& key_file);

// All pairs of a folder, by name: NAME.crt or NAME.pem with NAME.key beside it, NAME.pem that holds both, and
// subfolders with fullchain.pem and privkey.pem, as certbot keeps them.
base::Result<std::vector<KeyPair>> read_key_pairs(const std::string& folder);

struct KeyPairFiles {
  std::string certificate, key;  // without a key, the certificate may be a folder, which is read whole
};
base::Result<std::vector<KeyPair>> read_key_pairs(const std::vector<KeyPairFiles>& files);

}  // namespace tls
