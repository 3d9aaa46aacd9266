#include "daemon/lock_file.h"

#include <cerrno>

#include <fcntl.h>

#include "arena/life_lock.h"
#include "journal/directory_storage.h"

namespace casbook::daemon {

using arena::OsFile;

namespace {

// Far behind the end of the file, beside the locks that prove life.
constexpr uint64_t kDaemonLockOffset = arena::kCreatorLockOffset - 1;

Error served(const std::string& what) { return {.code = Code::already_served, .detail = what}; }

}  // namespace

Result<LockFile> LockFile::hold(const std::string& directory) {
  const std::string path = directory + "/lock";
  OsFile file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file.is_open()) return journal::disk_error(errno, "open", path);
  if (!arena::try_lock_byte(file, 0)) {
    char pid[32] = {};
    (void)!pread(file.fd(), pid, sizeof pid - 1, 0);
    return served(path + " is held by process " + pid);
  }
  // For people: what a reader sees while it is written is of no consequence.
  const std::string pid = std::to_string(getpid());
  if (ftruncate(file.fd(), 0) != 0 ||
      pwrite(file.fd(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    return journal::disk_error(errno, "write", path);
  return LockFile(std::move(file));
}

Result<LockFile> LockFile::hold(const arena::Mapping& mapping) {
  OsFile file(open(mapping.path().c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return arena::os_error(errno, "open", mapping.path());
  if (!arena::try_lock_byte(file, kDaemonLockOffset))
    return served(mapping.path() + " is served with another journal");
  return LockFile(std::move(file));
}

}  // namespace casbook::daemon
