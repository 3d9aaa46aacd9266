// A file descriptor that closes itself, and errno told as an Error.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include <casbook/result.h>

namespace casbook::arena {

class OsFile {
 public:
  OsFile() = default;
  explicit OsFile(int fd) : fd_(fd) {}
  ~OsFile() { close(); }
  OsFile(OsFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OsFile& operator=(OsFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close() {
    if (is_open()) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

// Which file a name stands for. While one is mapped or open its inode number is not reused.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

inline FileIdentity identity_of(const struct stat& status) {
  return {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino)};
}

// "CALL PATH: No such file or directory", under the code that the caller would act on:
// no_permission, no_memory (memory, space, quota), else io_error.
Error os_error(int error_number, const char* call, const std::string& path);

}  // namespace casbook::arena
