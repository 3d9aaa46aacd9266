// The lock that proves life, and the probe that looks at it. Open file description (OFD) locks on
// the bytes kLifeLockOffset + slot of the arena's file, far behind its end.
//
// The holder opens the file anew, locks, maps one page of that description and closes the
// descriptor: from then on only the mapping keeps the description, and with it the lock.
//   host closes every descriptor         the mapping stays, the lock stays
//   host forks                           the page is not inherited (MADV_DONTFORK)
//   host execs, exits, is killed         the mapping goes, then the lock
//   host starts a program by vfork or posix_spawn: the child shares the memory until its exec, and
//                                        so, if the parent is killed just then, the lock: it errs
//                                        towards life
// Between open and close a fork would hand the descriptor to the child; forks of other threads
// wait for that long (pthread_atfork). A signal handler that forks must not run in that span.
#pragma once

#include <cstdint>
#include <mutex>

#include <casbook/result.h>

#include "arena/arena.h"

namespace casbook::arena {

constexpr uint64_t kLifeLockOffset = uint64_t{1} << 40;
// Held by a creator on its temporary file.
constexpr uint64_t kCreatorLockOffset = kLifeLockOffset - 1;

// True when the write lock on one byte is ours now. Never waits.
bool try_lock_byte(const OsFile& file, uint64_t offset);

// While it lives, fork() of other threads of this process waits.
class ForkPause {
 public:
  ForkPause();

 private:
  std::unique_lock<std::mutex> lock_;
};

class LifeLock {
 public:
  LifeLock() = default;
  ~LifeLock() { drop(); }
  LifeLock(const LifeLock&) = delete;
  LifeLock& operator=(const LifeLock&) = delete;

  // Opens and maps; nothing is locked yet. book_missing (the path names another file by now),
  // no_permission, io_error. The caller holds a ForkPause until seal().
  Result<void> open(const Mapping& mapping);
  bool try_hold(uint32_t slot);
  void release(uint32_t slot);
  // Closes the descriptor: what is held is held until drop(), or until the process is gone.
  void seal() { file_.close(); }
  void drop();
  // In a forked child: there is nothing to unmap.
  void forget() { page_ = nullptr; }

 private:
  OsFile file_;
  void* page_ = nullptr;
  uint64_t page_bytes_ = 0;
};

// One look at the book's path, then any number of slots. Needs no write permission. About 2 us.
class LifeProbe {
 public:
  explicit LifeProbe(const Mapping& mapping);
  // False whenever the lock cannot be looked at: the path is gone or names another file, no
  // permission, no descriptor left. Only a lock seen free counts.
  bool is_provably_free(uint32_t slot) const;

 private:
  OsFile file_;
};

}  // namespace casbook::arena
