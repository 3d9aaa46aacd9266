// A file of a faulty storage, as opened.
#pragma once

#include <string>

#include "support/faulty_storage.h"

namespace casbook::test {

Error storage_error(int error_number, const std::string& call, const std::string& name);

class FaultyFile final : public journal::File {
 public:
  FaultyFile(std::shared_ptr<FaultyDisk> disk, std::shared_ptr<UnsyncedFile> content,
             std::string name, journal::Storage::Access access)
      : disk_(std::move(disk)),
        content_(std::move(content)),
        name_(std::move(name)),
        access_(access),
        power_cycle_(disk_->power_cycle) {}

  Result<void> read(uint64_t offset, std::span<std::byte> into) const override;
  Result<void> write(uint64_t offset, std::span<const std::byte> bytes) override;
  Result<void> allocate(uint64_t bytes) override;
  Result<void> sync() override;
  uint64_t bytes() const override;
  const std::string& name() const override { return name_; }

  const std::shared_ptr<UnsyncedFile>& content() const { return content_; }
  // Why these bytes cannot be written: an errno; 0: they can. Under the disk's lock.
  int fault_of_write(uint64_t offset, std::span<const std::byte> bytes) const;

 private:
  int run(
      Operation operation, const std::function<void()>& effect,
      const std::function<void()>& on_failure = [] {}) const;
  Result<void> answer(int error_number, const char* call) const;

  std::shared_ptr<FaultyDisk> disk_;
  std::shared_ptr<UnsyncedFile> content_;
  std::string name_;
  journal::Storage::Access access_;
  uint64_t power_cycle_;
};

// A write that fails has written its first sectors.
void write_in_part(FaultyDisk& disk, UnsyncedFile& file, uint64_t offset,
                   std::span<const std::byte> bytes);

}  // namespace casbook::test
