// A file as the journal has its segments: preallocated, zeroed, written past the page cache, and a
// sync linked to each write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <liburing.h>

namespace casbook::bench {

constexpr uint64_t kBlockBytes = 4096;

constexpr uint64_t round_up_to_block(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// Memory that direct I/O takes.
class Blocks {
 public:
  explicit Blocks(uint64_t bytes);
  ~Blocks();
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  std::byte* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  uint64_t bytes_;
};

// Ends the program where the disk does not do it.
class SyncedFile {
 public:
  // Written over and over, from its start again at its end.
  SyncedFile(const std::string& path, uint64_t bytes);
  ~SyncedFile();
  SyncedFile(const SyncedFile&) = delete;
  SyncedFile& operator=(const SyncedFile&) = delete;

  // The ring of the process and thread that is to write.
  void open_ring();
  // Whole blocks, at the next place. Returns once they are synced.
  void write_and_sync(const std::byte* data, uint64_t bytes);

 private:
  int fd_;
  uint64_t bytes_, next_ = 0;
  io_uring ring_;
  bool has_ring_ = false;
};

}  // namespace casbook::bench
