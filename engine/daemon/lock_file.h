// One daemon per journal, and one per book: two locks that end with the process that holds them.
#pragma once

#include "arena/arena.h"
#include "arena/os_file.h"

namespace casbook::daemon {

// Held while it lives. OFD locks: no other close of the same file in this process drops them.
class LockFile {
 public:
  // DIRECTORY/lock, made if it is missing; says who holds it in already_served. no_permission,
  // io_error.
  static Result<LockFile> hold(const std::string& directory);
  // A byte of the arena's file. already_served: a daemon with another journal has it.
  static Result<LockFile> hold(const arena::Mapping& mapping);

 private:
  explicit LockFile(arena::OsFile file) : file_(std::move(file)) {}
  arena::OsFile file_;
};

}  // namespace casbook::daemon
