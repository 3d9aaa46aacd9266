// The directory that a journal lives in, as the journal sees it: files, and a queue of writes.
//
// Two kinds implement it: directory_storage.h is a real directory; the tests have one that loses,
// tears and reorders what was not synced, and one that fails at the nth call.
//
// What is promised after a loss of power: what was written and then synced is there; a name that
// was made, renamed or removed and then sync_directory() is as it was left. Anything else may be
// there, or not, or in part, in units of kSectorBytes.
//
// Errors: book_missing for a name that is not there, book_exists for one that is, no_permission,
// no_space (disk full, quota), io_error; each names the call and the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <casbook/result.h>

namespace casbook::journal {

// Offsets, lengths and memory of write() are multiples of this: as direct I/O wants it.
constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kSectorBytes = 512;

constexpr uint64_t round_up_to_block(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// Not thread-safe but for calls on ranges that do not overlap.
class File {
 public:
  virtual ~File() = default;
  // Exactly that many bytes; truncated when the file ends before. Any offset, length and memory.
  virtual Result<void> read(uint64_t offset, std::span<std::byte> into) const = 0;
  virtual Result<void> write(uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Makes the file that long and its room certain; what was not written reads as zeros.
  virtual Result<void> allocate(uint64_t bytes) = 0;
  virtual Result<void> sync() = 0;
  virtual uint64_t bytes() const = 0;
  virtual const std::string& name() const = 0;
  // For a queue of the same storage; -1 where there is none.
  virtual int descriptor() const { return -1; }
};

// Of a write or sync that was queued; `error_number` as errno, 0: done.
struct Completion {
  uint64_t token = 0;
  int error_number = 0;
};

// Writes and syncs under way, several at once, completing in any order. write(), sync() and
// write_and_sync() are called by one thread at a time, wait() by one thread at a time; the two may
// be different threads. What is written stays untouched until it is completed.
class IoQueue {
 public:
  virtual ~IoQueue() = default;
  virtual Result<void> write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                             uint64_t token) = 0;
  // Covers every write of this file that was completed when this is called.
  virtual Result<void> sync(File& file, uint64_t token) = 0;
  // The write, and behind it a sync that covers it too; two completions. When the write fails, the
  // sync does not happen and completes with ECANCELED.
  virtual Result<void> write_and_sync(File& file, uint64_t offset, std::span<const std::byte> bytes,
                                      uint64_t write_token, uint64_t sync_token) = 0;
  // Sleeps until something completes, or wake() was called; returns how many were stored.
  virtual size_t wait(std::span<Completion> completions) = 0;
  // Ends a wait() from any thread.
  virtual void wake() = 0;
};

class Storage {
 public:
  virtual ~Storage() = default;
  virtual Result<std::vector<std::string>> list() const = 0;  // sorted names of its files
  virtual Result<std::unique_ptr<File>> create(const std::string& name) = 0;  // must be a new name
  enum class Access { read, write };
  virtual Result<std::unique_ptr<File>> open(const std::string& name, Access access) const = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Result<void> remove(const std::string& name) = 0;
  virtual Result<void> sync_directory() = 0;
  virtual Result<std::unique_ptr<IoQueue>> open_queue(uint32_t depth) = 0;
  virtual std::string describe() const = 0;  // for messages: its path
};

}  // namespace casbook::journal
