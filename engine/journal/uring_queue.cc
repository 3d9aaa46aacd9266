#include "journal/uring_queue.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <liburing.h>

#include "base/assert.h"
#include "journal/directory_storage.h"

namespace casbook::journal {

namespace {
constexpr uint64_t kWakeUp = UINT64_MAX;  // the user data of a wake(): no operation
constexpr uint32_t kWakeUps = 8;          // room for them beside `depth` operations
}  // namespace

UringQueue::UringQueue(uint32_t depth) : ring_(std::make_unique<io_uring>()), operations_(depth) {}

Result<std::unique_ptr<IoQueue>> UringQueue::open(uint32_t depth) {
  auto queue = std::unique_ptr<UringQueue>(new UringQueue(depth));
  const int failure = io_uring_queue_init(depth + kWakeUps, queue->ring_.get(), 0);
  if (failure == 0) {
    // Who waits is woken once for a write and its sync, where the kernel can (5.17).
    if (queue->ring_->features & IORING_FEAT_CQE_SKIP) queue->silent_ = IOSQE_CQE_SKIP_SUCCESS;
    return std::unique_ptr<IoQueue>(std::move(queue));
  }
  queue->ring_.reset();
  Error error = disk_error(-failure, "set up", "io_uring");
  if (failure == -EPERM || failure == -ENOSYS || failure == -EACCES)
    error.detail +=
        ": the kernel refuses it (sysctl kernel.io_uring_disabled, or a container's seccomp "
        "filter)";
  return error;
}

// Waits for what is under way: the kernel may still read the memory of a write when the ring is
// gone. What a short submission left behind is sent first, else it would never complete.
UringQueue::~UringQueue() {
  if (!ring_) return;
  if (io_uring_sq_ready(ring_.get()) != 0) (void)submit();
  Completion ignored;
  while (under_way_ > 0) (void)wait({&ignored, 1});
  io_uring_queue_exit(ring_.get());
}

bool UringQueue::has_room(size_t operations) const {
  return under_way_ + operations <= operations_.size();
}

size_t UringQueue::begin(uint64_t token, int64_t expected) {
  size_t slot = 0;
  while (operations_[slot].is_used) ++slot;  // bounded: has_room() was asked
  operations_[slot] = {token, expected, true, {}};
  ++under_way_;
  return slot;
}

size_t UringQueue::prepare_write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                                 uint64_t token, uint8_t flags) {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  CASBOOK_ASSERT(entry);
  io_uring_prep_write(entry, file.descriptor(), bytes.data(), static_cast<unsigned>(bytes.size()),
                      offset);
  entry->flags |= flags;
  const size_t slot = begin(token, static_cast<int64_t>(bytes.size()));
  entry->user_data = slot;
  return slot;
}

size_t UringQueue::prepare_sync(File& file, uint64_t token) {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  CASBOOK_ASSERT(entry);
  io_uring_prep_fsync(entry, file.descriptor(), IORING_FSYNC_DATASYNC);
  const size_t slot = begin(token, 0);
  entry->user_data = slot;
  return slot;
}

Result<void> UringQueue::submit() {
  const auto prepared = static_cast<int>(io_uring_sq_ready(ring_.get()));
  int submitted = -EINTR;
  while (submitted == -EINTR || submitted == -EAGAIN) submitted = io_uring_submit(ring_.get());
  if (submitted < 0) return disk_error(-submitted, "submit to", "io_uring");
  // A sync that is not sent with its write is not linked to it any more.
  if (submitted != prepared) return disk_error(EAGAIN, "submit all to", "io_uring");
  return {};
}

Result<void> UringQueue::write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                               uint64_t token) {
  const std::lock_guard lock(mutex_);
  if (!has_room(1)) return Code::backpressure;
  prepare_write(file, offset, bytes, token, 0);
  return submit();
}

Result<void> UringQueue::sync(File& file, uint64_t token) {
  const std::lock_guard lock(mutex_);
  if (!has_room(1)) return Code::backpressure;
  prepare_sync(file, token);
  return submit();
}

Result<void> UringQueue::write_and_sync(File& file, uint64_t offset,
                                        std::span<const std::byte> bytes, uint64_t write_token,
                                        uint64_t sync_token) {
  const std::lock_guard lock(mutex_);
  if (!has_room(2)) return Code::backpressure;
  const size_t write = prepare_write(file, offset, bytes, write_token, IOSQE_IO_LINK | silent_);
  const size_t sync = prepare_sync(file, sync_token);
  if (silent_ != 0) operations_[write].pair = sync, operations_[sync].pair = write;
  return submit();
}

// Under the mutex.
Completion UringQueue::end(size_t slot, int result) {
  Operation& operation = operations_[slot];
  operation.is_used = false;
  --under_way_;
  // A short write: the disk did not take all of it, and will not tell why.
  return {operation.token, result < 0 ? -result : result == operation.expected ? 0 : EIO};
}

bool UringQueue::take(Completion& completion) {
  if (kept_) {
    completion = *std::exchange(kept_, {});
    return true;
  }
  io_uring_cqe* entry = nullptr;
  // Progress: each round takes one completion off the ring.
  while (io_uring_peek_cqe(ring_.get(), &entry) == 0) {
    const uint64_t slot = entry->user_data;
    const int result = entry->res;
    io_uring_cqe_seen(ring_.get(), entry);
    if (slot == kWakeUp) continue;
    const std::lock_guard lock(mutex_);
    completion = end(slot, result);
    const std::optional<size_t> pair = std::exchange(operations_[slot].pair, {});
    if (!pair) return true;
    // Word of a sync: its write is done. Word of a write: it failed, and there is none of its sync.
    operations_[*pair].pair.reset();
    const bool is_sync = operations_[slot].expected == 0;
    kept_ = is_sync ? std::exchange(completion,
                                    end(*pair, static_cast<int>(operations_[*pair].expected)))
                    : end(*pair, -ECANCELED);
    return true;
  }
  return false;
}

size_t UringQueue::wait(std::span<Completion> completions) {
  io_uring_cqe* first = nullptr;
  int failure = -EINTR;
  while (failure == -EINTR && !kept_) failure = io_uring_wait_cqe(ring_.get(), &first);
  size_t count = 0;
  while (count < completions.size() && take(completions[count])) ++count;
  return count;
}

void UringQueue::wake() {
  const std::lock_guard lock(mutex_);
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (!entry) return;  // so many are waiting to be submitted that something will complete
  io_uring_prep_nop(entry);
  entry->user_data = kWakeUp;
  (void)submit();
}

}  // namespace casbook::journal
