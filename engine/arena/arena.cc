#include "arena/arena.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>

#include "arena/header.h"
#include "arena/mapping_access.h"

namespace casbook::arena {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_book_name(const std::string& name) {
  return !name.empty() && name.size() <= kBookNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

bool is_missing(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

Error foreign(const std::string& path) {
  return Error{.code = Code::foreign_file, .detail = path + " is not a regular file"};
}

// The name is looked at before it is opened: opening a FIFO may hang, or wake its writer.
Result<void> look_at(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    if (is_missing(errno)) return Error{.code = Code::book_missing, .detail = path};
    return os_error(errno, "stat", path);
  }
  if (!S_ISREG(status.st_mode)) return foreign(path);
  return {};
}

Result<OsFile> open_book(const std::string& path, Access access) {
  if (Result<void> looked = look_at(path); !looked) return looked.error();
  const int mode = access == Access::read_only ? O_RDONLY : O_RDWR;
  OsFile file(open(path.c_str(), mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (file.is_open()) return file;
  if (errno == ENOENT) return Error{.code = Code::book_missing, .detail = path};
  return os_error(errno, "open", path);
}

Result<FixedHeader> read_header(const OsFile& file, const std::string& path) {
  struct stat status;
  if (fstat(file.fd(), &status) != 0) return os_error(errno, "fstat", path);
  if (!S_ISREG(status.st_mode)) return foreign(path);  // exchanged since look_at()
  FixedHeader header{};
  const ssize_t bytes_read = pread(file.fd(), &header, sizeof header, 0);
  if (bytes_read < 0) return os_error(errno, "read", path);
  Result<void> checked = check_header(header, static_cast<uint64_t>(bytes_read),
                                      static_cast<uint64_t>(status.st_size));
  if (!checked) return checked.error();
  return header;
}

}  // namespace

Result<std::string> book_path(const std::string& directory, const std::string& name) {
  if (!is_book_name(name))
    return Error{.code = Code::bad_argument,
                 .detail =
                     "a book's name is 1 to 64 letters, digits, '.', '_', '-', and does not "
                     "begin with a dot"};
  return (std::filesystem::path(directory) / ("casbook." + name)).string();
}

Result<std::unique_ptr<Mapping>> attach(const std::string& directory, const std::string& name,
                                        Access access) {
  base::arm_fault_from_environment();
  std::error_code ignored;  // without a working directory the path stays as it is
  Result<std::string> path =
      book_path(std::filesystem::absolute(directory, ignored).string(), name);
  if (!path) return path.error();
  Result<OsFile> file = open_book(*path, access);
  if (!file) return file.error();
  Result<FixedHeader> header = read_header(*file, *path);
  if (!header) return header.error();
  return MappingAccess::map(*file, *path, access, *header);
}

Result<void> shut_damaged(const std::string& directory, const std::string& name) {
  Result<std::string> path = book_path(directory, name);
  if (!path) return path.error();
  Result<OsFile> file = open_book(*path, Access::read_write);
  if (!file) return file.error();
  struct stat status;
  if (fstat(file->fd(), &status) != 0) return os_error(errno, "fstat", *path);
  if (static_cast<uint64_t>(status.st_size) < kPageBytes)
    return Error{.code = Code::truncated, .detail = *path};
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd(), 0);
  if (page == MAP_FAILED) return os_error(errno, "mmap", *path);
  auto& gate =
      reinterpret_cast<ControlLines*>(static_cast<std::byte*>(page) + kControlOffset)->gate;
  // An epoch further, for no OPEN that is in the log raises it again. Bounded: it only grows.
  for (uint64_t seen = gate.load_acquire(); seen & 1; seen = gate.load_acquire())  // [gate]
    if (gate.cas_acq_rel(seen, ((seen >> 1) + 1) << 1)) break;                     // [gate]
  munmap(page, kPageBytes);
  return {};
}

Result<void> destroy(const std::string& directory, const std::string& name) {
  Result<std::string> path = book_path(directory, name);
  if (!path) return path.error();
  if (Result<void> looked = look_at(*path); !looked) return looked;
  if (unlink(path->c_str()) == 0) return {};
  if (errno == ENOENT) return Error{.code = Code::book_missing, .detail = *path};
  return os_error(errno, "unlink", *path);
}

}  // namespace casbook::arena
