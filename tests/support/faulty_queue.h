// The queue of a faulty storage: what is under way is done in an order drawn from the seed.
#pragma once

#include "support/faulty_storage.h"

namespace casbook::test {

class FaultyQueue final : public journal::IoQueue {
 public:
  explicit FaultyQueue(std::shared_ptr<FaultyDisk> disk);
  // What is under way may have been done, or not.
  ~FaultyQueue() override;

  Result<void> write(journal::File& file, uint64_t offset, std::span<const std::byte> bytes,
                     uint64_t token) override;
  Result<void> sync(journal::File& file, uint64_t token) override;
  Result<void> write_and_sync(journal::File& file, uint64_t offset,
                              std::span<const std::byte> bytes, uint64_t write_token,
                              uint64_t sync_token) override;
  size_t wait(std::span<journal::Completion> completions) override;
  void wake() override {}

  // The power is gone, under the disk's lock: writes under way leave what they may leave.
  void cut_power();

 private:
  struct Request {
    uint64_t token = 0;
    std::shared_ptr<UnsyncedFile> file;
    bool is_write = false;
    int error_number = 0;  // that it will complete with
    // Of a write.
    uint64_t offset = 0;
    std::span<const std::byte> source;  // the caller's, untouched until the completion
    std::vector<std::byte> bytes;
    // Of a sync.
    UnsyncedFile::Stamp covered = 0, also = 0;
    std::shared_ptr<Request> behind;  // the write that it waits for
    bool is_done = false;
  };
  using RequestPtr = std::shared_ptr<Request>;

  static RequestPtr request_of(uint64_t token) {
    auto request = std::make_shared<Request>();
    request->token = token;
    return request;
  }
  Result<void> submit(const journal::File& file, const std::function<int()>& begin);
  // Each answers an errno.
  int begin(Operation operation, const RequestPtr& request);
  int begin_write(const RequestPtr& request, const journal::File& file, uint64_t offset,
                  std::span<const std::byte> bytes);
  int begin_sync(const RequestPtr& request, const journal::File& file);
  // Untouched as promised, or the test ends here.
  static void check_source(const Request& request);
  void perform(Request& request);
  RequestPtr take_any();

  std::shared_ptr<FaultyDisk> disk_;
  uint64_t power_cycle_;
  std::vector<RequestPtr> under_way_;
};

}  // namespace casbook::test
