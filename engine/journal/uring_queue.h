// The queue of a real directory: io_uring. One ring, submitted to by one thread and waited on by
// another; a mutex keeps the table of what is under way.
#pragma once

#include <mutex>
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
  };

  explicit UringQueue(uint32_t depth);
  bool has_room(size_t operations) const;
  void prepare_write(File& file, uint64_t offset, std::span<const std::byte> bytes, uint64_t token,
                     bool is_linked);
  void prepare_sync(File& file, uint64_t token);
  uint64_t begin(uint64_t token, int64_t expected);
  Result<void> submit();
  bool take(Completion& completion);

  std::unique_ptr<io_uring> ring_;
  std::mutex mutex_;  // of all below, and of the submission side of the ring
  std::vector<Operation> operations_;
  size_t under_way_ = 0;
};

}  // namespace casbook::journal
