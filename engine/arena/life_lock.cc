#include "arena/life_lock.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

namespace casbook::arena {
namespace {

struct flock byte_range(short type, uint64_t offset) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  return range;
}

// The file at the mapping's path, if it still is the one that is mapped.
Result<OsFile> open_again(const Mapping& mapping, int mode, struct stat& status) {
  OsFile file(
      ::open(mapping.path().c_str(), mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!file.is_open() && errno != ENOENT) return os_error(errno, "open", mapping.path());
  if (!file.is_open() || fstat(file.fd(), &status) != 0 ||
      identity_of(status) != mapping.identity())
    return Error{.code = Code::book_missing,
                 .detail = mapping.path() + " is no longer the file that is mapped"};
  return file;
}

std::mutex fork_mutex;

}  // namespace

ForkPause::ForkPause() {
  [[maybe_unused]] static const int registered = pthread_atfork(
      [] { fork_mutex.lock(); }, [] { fork_mutex.unlock(); }, [] { fork_mutex.unlock(); });
  lock_ = std::unique_lock(fork_mutex);
}

bool try_lock_byte(const OsFile& file, uint64_t offset) {
  struct flock range = byte_range(F_WRLCK, offset);
  return fcntl(file.fd(), F_OFD_SETLK, &range) == 0;
}

Result<void> LifeLock::open(const Mapping& mapping) {
  struct stat status {};
  Result<OsFile> file = open_again(mapping, O_RDWR, status);
  if (!file) return file.error();
  // hugetlbfs maps nothing smaller than its page, and tells it here.
  const uint64_t bytes = std::max(kPageBytes, static_cast<uint64_t>(status.st_blksize));
  void* page = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file->fd(), 0);
  if (page == MAP_FAILED) return os_error(errno, "mmap", mapping.path());
  page_ = page;
  page_bytes_ = bytes;
  if (madvise(page_, page_bytes_, MADV_DONTFORK) != 0)
    return os_error(errno, "madvise", "MADV_DONTFORK");
  file_ = std::move(*file);
  return {};
}

bool LifeLock::try_hold(uint32_t slot) { return try_lock_byte(file_, kLifeLockOffset + slot); }

void LifeLock::release(uint32_t slot) {
  struct flock range = byte_range(F_UNLCK, kLifeLockOffset + slot);
  fcntl(file_.fd(), F_OFD_SETLK, &range);
}

void LifeLock::drop() {
  file_.close();
  if (page_) munmap(std::exchange(page_, nullptr), page_bytes_);
}

LifeProbe::LifeProbe(const Mapping& mapping) {
  struct stat status {};
  Result<OsFile> file = open_again(mapping, O_RDONLY, status);
  if (file) file_ = std::move(*file);
}

bool LifeProbe::is_provably_free(uint32_t slot) const {
  if (!file_.is_open()) return false;
  struct flock range = byte_range(F_WRLCK, kLifeLockOffset + slot);
  return fcntl(file_.fd(), F_OFD_GETLK, &range) == 0 && range.l_type == F_UNLCK;
}

}  // namespace casbook::arena
