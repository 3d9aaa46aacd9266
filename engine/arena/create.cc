// create(): from a request to a file under its name.
//
// Crash windows; a book under its name is always whole.
//   C1 temporary file made, not yet locked -> a cleaner may take the lock first and remove it; the
//      creator finds its lock refused or its file without a name, and begins again
//   C2 locked, half written                -> the lock goes with the creator; the next create of
//      the same book removes the file
//   C3 renamed                             -> nothing is left to do
//   C4 replace(): the old file is retired, the new one has no name yet -> as C2; the old file keeps
//      the name until it is replaced again
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/statfs.h>

#include "arena/available_memory.h"
#include "arena/header.h"
#include "arena/life_lock.h"
#include "arena/mapping_access.h"

namespace casbook::arena {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kTemporaryAttemptsMax = 16;
constexpr uint64_t kAllocationBytes = 64 * 1024 * 1024;
constexpr size_t kSuffixDigits = 16;

// Removed by the destructor unless it was given its final name. The lock on it tells cleaners that
// its creator lives; it ends with the descriptor.
class TemporaryFile {
 public:
  TemporaryFile(OsFile file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  TemporaryFile(TemporaryFile&& other) noexcept
      : file_(std::move(other.file_)), path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }

  const OsFile& file() const { return file_; }
  const std::string& path() const { return path_; }
  // One step: fails when the name is taken, or takes it.
  enum class Taken { fail, replace };
  Result<void> rename_to(const std::string& path, Taken taken) {
    const unsigned flags = taken == Taken::fail ? RENAME_NOREPLACE : 0;
    if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
      if (errno == EEXIST) return Error{.code = Code::book_exists, .detail = path};
      return os_error(errno, "rename", path);
    }
    path_.clear();
    return {};
  }

 private:
  OsFile file_;
  std::string path_;
};

// ".casbook.NAME." and 16 hexadecimal digits: names of books that begin alike do not mix.
std::string temporary_prefix(const std::string& name) { return ".casbook." + name + "."; }

bool is_temporary_of(const std::string& file_name, const std::string& prefix) {
  return file_name.size() == prefix.size() + kSuffixDigits && file_name.starts_with(prefix) &&
         file_name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string::npos;
}

std::string random_suffix() {
  uint64_t word = 0;
  (void)!getrandom(&word, sizeof word, 0);  // a repeated name costs another attempt
  std::string text(kSuffixDigits, '0');
  for (char& digit : text) {
    digit = "0123456789abcdef"[word & 15];
    word >>= 4;
  }
  return text;
}

void remove_if_abandoned(const std::string& path) {
  OsFile file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open() || !try_lock_byte(file, kCreatorLockOffset)) return;
  // Under the lock: a creator may have given the file its final name and let go meanwhile.
  struct stat by_name, opened;
  if (lstat(path.c_str(), &by_name) != 0 || fstat(file.fd(), &opened) != 0) return;
  if (identity_of(by_name) == identity_of(opened)) unlink(path.c_str());
}

void remove_abandoned(const std::string& directory, const std::string& name) {
  const std::string prefix = temporary_prefix(name);
  std::error_code failure;
  fs::directory_iterator entries(directory, failure);
  for (; !failure && entries != fs::directory_iterator(); entries.increment(failure))
    if (is_temporary_of(entries->path().filename().string(), prefix))
      remove_if_abandoned(entries->path().string());
}

Error open_failure(int error_number, const std::string& directory) {
  Error error = os_error(error_number, "create in", directory);
  if (error_number == ENOENT || error_number == ENOTDIR) error.code = Code::bad_argument;
  return error;
}

Result<TemporaryFile> make_temporary(const std::string& directory, const std::string& name) {
  for (uint32_t attempt = 0; attempt < kTemporaryAttemptsMax; ++attempt) {
    const std::string path =
        (fs::path(directory) / (temporary_prefix(name) + random_suffix())).string();
    OsFile file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.is_open() && errno == EEXIST) continue;
    if (!file.is_open()) return open_failure(errno, directory);
    TemporaryFile temporary(std::move(file), path);
    struct stat status;
    if (try_lock_byte(temporary.file(), kCreatorLockOffset) &&
        fstat(temporary.file().fd(), &status) == 0 && status.st_nlink != 0)
      return temporary;
  }
  return Error{.code = Code::io_error, .detail = "no temporary file in " + directory};
}

Error too_little(uint64_t needed_bytes, uint64_t available_bytes, const std::string& where) {
  return Error{.code = Code::no_memory,
               .detail = "the book needs " + std::to_string(needed_bytes) + " bytes, " +
                         std::to_string(available_bytes) + " are available " + where};
}

// hugetlbfs has its own pool of pages, which MemAvailable does not count.
Result<void> compare_with_memory(const struct statfs& file_system, uint64_t bytes) {
  if (file_system.f_type == HUGETLBFS_MAGIC) return {};
  const std::optional<uint64_t> available = available_memory_bytes();
  if (available && *available < bytes) return too_little(bytes, *available, "(MemAvailable)");
  return {};
}

// In steps: a signal makes a step begin again, not the whole.
int allocate_all(int fd, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes;) {
    const uint64_t step = std::min(kAllocationBytes, bytes - offset);
    const int failure = posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(step));
    if (failure == EINTR) continue;
    if (failure != 0) return failure;
    offset += step;
  }
  return 0;
}

Result<void> allocate(const OsFile& file, const std::string& path, uint64_t bytes) {
  struct statfs file_system;
  if (fstatfs(file.fd(), &file_system) != 0) return os_error(errno, "statfs", path);
  if (Result<void> compared = compare_with_memory(file_system, bytes); !compared) return compared;
  const int failure = allocate_all(file.fd(), bytes);
  if (failure == 0) return {};
  if (failure != ENOSPC && failure != ENOMEM) return os_error(failure, "allocate", path);
  if (ftruncate(file.fd(), 0) != 0 || fstatfs(file.fd(), &file_system) != 0)
    return os_error(failure, "allocate", path);
  return too_little(bytes, file_system.f_bavail * static_cast<uint64_t>(file_system.f_bsize),
                    "in the directory");
}

Result<void> set_ownership(const OsFile& file, const std::string& path,
                           const CreateRequest& request) {
  constexpr auto kKeep = static_cast<uid_t>(-1);
  if ((request.owner || request.group) &&
      fchown(file.fd(), request.owner.value_or(kKeep), request.group.value_or(kKeep)) != 0)
    return os_error(errno, "change the owner of", path);
  if (fchmod(file.fd(), request.mode) != 0) return os_error(errno, "change the mode of", path);
  return {};
}

Result<void> fill(const TemporaryFile& temporary, const std::string& path,
                  const CreateRequest& request,
                  const std::function<Result<void>(Mapping&)>& format) {
  struct stat status;
  if (fstat(temporary.file().fd(), &status) != 0) return os_error(errno, "fstat", path);
  // 2 MiB where the directory gives huge pages, on a tmpfs mounted so and on hugetlbfs.
  const uint64_t block_bytes = static_cast<uint64_t>(status.st_blksize);
  Result<FixedHeader> header =
      lay_out(request, block_bytes % kHugePageBytes == 0 ? block_bytes : kPageBytes);
  if (!header) return header.error();
  if (Result<void> done = allocate(temporary.file(), path, header->file_bytes); !done) return done;
  Result<std::unique_ptr<Mapping>> mapping =
      MappingAccess::map(temporary.file(), path, Access::read_write, *header);
  if (!mapping) return mapping.error();
  MappingAccess::write_header(**mapping);
  if (Result<void> formatted = format(**mapping); !formatted) return formatted;
  return set_ownership(temporary.file(), path, request);
}

// Whole, under its temporary name.
Result<TemporaryFile> make_whole(const CreateRequest& request, const std::string& path,
                                 const std::function<Result<void>(Mapping&)>& format) {
  remove_abandoned(request.directory, request.name);
  Result<TemporaryFile> temporary = make_temporary(request.directory, request.name);
  if (!temporary) return temporary.error();
  base::fault_point(base::FaultPoint::create_after_file);
  if (Result<void> filled = fill(*temporary, path, request, format); !filled) return filled.error();
  base::fault_point(base::FaultPoint::create_before_rename);
  return temporary;
}

}  // namespace

Result<void> create(const CreateRequest& request,
                    const std::function<Result<void>(Mapping&)>& format) {
  base::arm_fault_from_environment();
  Result<std::string> path = book_path(request.directory, request.name);
  if (!path) return path.error();
  struct stat status;
  if (lstat(path->c_str(), &status) == 0) return Error{.code = Code::book_exists, .detail = *path};
  Result<TemporaryFile> temporary = make_whole(request, *path, format);
  if (!temporary) return temporary.error();
  return temporary->rename_to(*path, TemporaryFile::Taken::fail);
}

Result<void> replace(const CreateRequest& request,
                     const std::function<Result<void>(Mapping&)>& format,
                     const std::function<void()>& retire) {
  Result<std::string> path = book_path(request.directory, request.name);
  if (!path) return path.error();
  Result<TemporaryFile> temporary = make_whole(request, *path, format);
  if (!temporary) return temporary.error();
  retire();
  base::fault_point(base::FaultPoint::replace_before_rename);
  return temporary->rename_to(*path, TemporaryFile::Taken::replace);
}

}  // namespace casbook::arena
