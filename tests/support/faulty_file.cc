#include "support/faulty_file.h"

#include <cerrno>
#include <cstring>

namespace casbook::test {

using journal::kBlockBytes;

Error storage_error(int error_number, const std::string& call, const std::string& name) {
  Code code = Code::io_error;
  if (error_number == ENOENT) code = Code::book_missing;
  if (error_number == EEXIST) code = Code::book_exists;
  if (error_number == EACCES || error_number == EPERM) code = Code::no_permission;
  if (error_number == ENOSPC || error_number == EDQUOT) code = Code::no_space;
  return {.code = code, .detail = call + " " + name + ": " + std::strerror(error_number)};
}

void write_in_part(FaultyDisk& disk, UnsyncedFile& file, uint64_t offset,
                   std::span<const std::byte> bytes) {
  const uint64_t sectors = disk.random.below(bytes.size() / journal::kSectorBytes);
  if (sectors > 0) file.write(offset, bytes.first(sectors * journal::kSectorBytes), disk.stamp());
}

int FaultyFile::run(Operation operation, const std::function<void()>& effect,
                    const std::function<void()>& on_failure) const {
  return power_cycle_ == disk_->power_cycle ? disk_->run(operation, effect, on_failure) : EIO;
}

Result<void> FaultyFile::answer(int error_number, const char* call) const {
  if (error_number != 0) return storage_error(error_number, call, name_);
  return {};
}

int FaultyFile::fault_of_write(uint64_t offset, std::span<const std::byte> bytes) const {
  if (access_ != journal::Storage::Access::write) return EBADF;
  const auto memory = reinterpret_cast<uintptr_t>(bytes.data());
  return (offset | bytes.size() | memory) % kBlockBytes == 0 ? 0 : EINVAL;
}

Result<void> FaultyFile::read(uint64_t offset, std::span<std::byte> into) const {
  const std::lock_guard lock(disk_->mutex);
  bool is_short = false;
  const int error_number = run(Operation::read, [&] {
    is_short = offset > content_->bytes() || into.size() > content_->bytes() - offset;
    if (!is_short) content_->read(offset, into);
  });
  if (is_short)
    return Error{.code = Code::truncated, .detail = "read " + name_ + ": it is shorter"};
  return answer(error_number, "read");
}

Result<void> FaultyFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  const std::lock_guard lock(disk_->mutex);
  if (const int fault = fault_of_write(offset, bytes)) return answer(fault, "write");
  return answer(run(
                    Operation::write, [&] { content_->write(offset, bytes, disk_->stamp()); },
                    [&] { write_in_part(*disk_, *content_, offset, bytes); }),
                "write");
}

Result<void> FaultyFile::allocate(uint64_t bytes) {
  const std::lock_guard lock(disk_->mutex);
  return answer(run(Operation::allocate, [&] { content_->allocate(bytes, disk_->stamp()); }),
                "allocate");
}

Result<void> FaultyFile::sync() {
  const std::lock_guard lock(disk_->mutex);
  return answer(run(
                    Operation::sync, [&] { content_->sync(disk_->stamps); },
                    [&] { content_->fail_sync(disk_->random); }),
                "sync");
}

uint64_t FaultyFile::bytes() const {
  const std::lock_guard lock(disk_->mutex);
  return content_->bytes();
}

}  // namespace casbook::test
