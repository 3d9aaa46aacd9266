// A real directory. Files are written with O_DIRECT where the file system can, so that what a
// failed sync leaves in the page cache is never read back, and through an io_uring queue.
#pragma once

#include "journal/storage.h"

namespace casbook::journal {

struct DirectoryOptions {
  bool direct = true;  // O_DIRECT where it works, else through the page cache
};

class DirectoryStorage final : public Storage {
 public:
  // The directory is made if only it is missing. Errors: bad_argument (its parent is missing, or it
  // is no directory), no_permission (also: it cannot be written), io_error.
  static Result<std::unique_ptr<DirectoryStorage>> open(const std::string& path,
                                                        const DirectoryOptions& options = {});
  // Only looked at: it must be there, and nothing is tried.
  static Result<std::unique_ptr<DirectoryStorage>> observe(const std::string& path);

  Result<std::vector<std::string>> list() const override;
  Result<std::unique_ptr<File>> create(const std::string& name) override;
  Result<std::unique_ptr<File>> open(const std::string& name, Access access) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& name) override;
  Result<void> sync_directory() override;
  // io_error where the kernel refuses io_uring, with what to do about it.
  Result<std::unique_ptr<IoQueue>> open_queue(uint32_t depth) override;
  std::string describe() const override { return path_; }

 private:
  DirectoryStorage(std::string path, const DirectoryOptions& options)
      : path_(std::move(path)), options_(options) {}
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  std::string path_;  // absolute
  DirectoryOptions options_;
};

// What the kernel said, as an Error that names call and file: no_space, no_permission,
// book_missing, book_exists, else io_error.
Error disk_error(int error_number, const char* call, const std::string& path);

}  // namespace casbook::journal
