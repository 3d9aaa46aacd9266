// What this process writes to standard error while it lives.
#pragma once

#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace casbook::test_support {

class CapturedErrors {
 public:
  CapturedErrors() : before_(dup(STDERR_FILENO)), file_(memfd_create("err", MFD_CLOEXEC)) {
    if (before_ < 0 || file_ < 0 || dup2(file_, STDERR_FILENO) < 0) std::abort();
  }
  ~CapturedErrors() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    close(file_);
  }
  CapturedErrors(const CapturedErrors&) = delete;
  CapturedErrors& operator=(const CapturedErrors&) = delete;

  std::string text() const {
    struct stat status;
    if (fstat(file_, &status) != 0) std::abort();
    std::string text(static_cast<size_t>(status.st_size), '\0');
    const ssize_t bytes = pread(file_, text.data(), text.size(), 0);
    text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
    return text;
  }

 private:
  int before_, file_;
};

}  // namespace casbook::test_support
