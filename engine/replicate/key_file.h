// The file with the cluster's keys: one line each, the one that is sealed with first.
//
//   casbook-cluster-key-1 64 hexadecimal digits
//
// One key, or two while the hosts change from one to the other (README.md of the project). A change
// replaces the file whole: whoever reads it finds the keys before or after, never fewer.
#pragma once

#include <string>

#include "replicate/keys.h"

namespace casbook::replicate {

// Errors of all: no_permission (group or others may open it, or it is not this user's or root's),
// damaged, format_newer, bad_argument (no such file), io_error, no_space.

// A new key to a new file, mode 0600; synced. file_exists: there is such a file.
Result<ClusterKeys> write_new_key(const std::string& path);
Result<ClusterKeys> read_keys(const std::string& path);

// Owner and mode stay. bad_argument: the file has not as many keys as that needs.
enum class KeyChange {
  append,  // a new key as the second
  swap,    // the second first
  drop,    // the second away
};
Result<ClusterKeys> change_keys(const std::string& path, KeyChange change);

}  // namespace casbook::replicate
