// The queue of a real directory: io_uring. One ring, submitted to by one thread and waited on by
// another; a mutex keeps the table of what is under way.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "journal/storage.h"

struct io_uring;
struct io_uring_sqe;

namespace casbook::journal {

class UringQueue final : public IoQueue {
 public:
  // At most `depth` operations under way; more are refused with backpressure.
  static Result<std::unique_ptr<IoQueue>> open(uint32_t depth);
  ~UringQueue() override;

  Result<void> write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                     uint64_t token) override;
  Result<void> sync(File& file, uint64_t token) override;
  Result<void> write_and_sync(File& file, uint64_t offset, std::span<const std::byte> bytes,
                              uint64_t write_token, uint64_t sync_token) override;
  size_t wait(std::span<Completion> completions) override;
  void wake() override;

 private:
  // What a completion is held against.
  struct Operation {
    uint64_t token = 0;
    int64_t expected = 0;  // bytes of a write
    bool is_used = false;
    std::optional<size_t> pair{};  // a write without word of its success, and the sync behind it
  };

  explicit UringQueue(uint32_t depth);
  bool has_room(size_t operations) const;
  // These give the operation's slot.
  size_t prepare_write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                       uint64_t token, uint8_t flags);
  size_t prepare_sync(File& file, uint64_t token);
  size_t begin(uint64_t token, int64_t expected);
  Result<void> submit();
  bool take(Completion& completion);
  Completion end(size_t slot, int result);

  std::unique_ptr<io_uring> ring_;
  uint8_t silent_ = 0;  // the flag of an entry that tells only of its failure; 0: there is none
  std::mutex mutex_;    // of all below, and of the submission side of the ring
  std::vector<Operation> operations_;
  size_t under_way_ = 0;
  std::optional<Completion> kept_;  // wait(): the second of a pair that ended at once
};

}  // namespace casbook::journal
