// The cluster's keys of a node that serves: as its file has them, read again when it is told to.
// For one thread.
#pragma once

#include "replicate/keys.h"

namespace casbook::daemon {

class LiveKeys {
 public:
  // Errors as replicate::read_keys().
  static Result<LiveKeys> read(const std::string& file);

  // What is in force.
  const replicate::ClusterKeys& keys() const { return keys_; }
  // What the file has now is in force; told as keys_reloaded, or keys_not_reloaded and nothing has
  // changed. Errors also: bad_argument where the key that this node seals with is not in the file
  // any more: the others may have no other yet.
  Result<void> reload();

 private:
  LiveKeys(std::string file, const replicate::ClusterKeys& keys)
      : file_(std::move(file)), keys_(keys) {}

  std::string file_;
  replicate::ClusterKeys keys_;
};

}  // namespace casbook::daemon
