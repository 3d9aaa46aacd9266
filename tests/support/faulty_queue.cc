#include "support/faulty_queue.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "support/faulty_file.h"

namespace casbook::test {

using journal::Completion;
using journal::File;

FaultyQueue::FaultyQueue(std::shared_ptr<FaultyDisk> disk)
    : disk_(std::move(disk)), power_cycle_(disk_->power_cycle) {
  disk_->queues.insert(this);
}

FaultyQueue::~FaultyQueue() {
  const std::lock_guard lock(disk_->mutex);
  if (disk_->has_power && power_cycle_ == disk_->power_cycle) {
    for (const RequestPtr& request : under_way_) check_source(*request);
    cut_power();
  }
  disk_->queues.erase(this);
}

void FaultyQueue::check_source(const Request& request) {
  if (!request.is_write || std::ranges::equal(request.source, request.bytes)) return;
  std::fprintf(stderr, "faulty queue: memory of a write was changed before it completed\n");
  std::abort();
}

void FaultyQueue::cut_power() {
  for (const RequestPtr& request : under_way_) {
    if (request->is_write && request->error_number == 0 && disk_->random.below(4) != 0)
      request->file->write(request->offset, request->bytes, disk_->stamp());
    request->error_number = EIO;
  }
}

// A call either has all of its requests under way, or none.
Result<void> FaultyQueue::submit(const File& file, const std::function<int()>& begin) {
  const std::lock_guard lock(disk_->mutex);
  const size_t before = under_way_.size();
  int error_number = power_cycle_ == disk_->power_cycle ? 0 : EIO;
  if (error_number == 0) error_number = disk_->run(Operation::submit, [] {});
  if (error_number == 0) error_number = begin();
  if (error_number == 0) return {};
  under_way_.resize(before);
  return storage_error(error_number, "submit for", file.name());
}

// The failure that is planned for an operation comes with its completion.
int FaultyQueue::begin(Operation operation, const RequestPtr& request) {
  int planned = 0;
  const int error_number = disk_->run(
      operation, [&] { under_way_.push_back(request); },
      [&] {
        planned = request->error_number = disk_->plan.error_number();
        under_way_.push_back(request);
      });
  return planned != 0 ? 0 : error_number;
}

int FaultyQueue::begin_write(const RequestPtr& request, const File& file, uint64_t offset,
                             std::span<const std::byte> bytes) {
  const auto& faulty = static_cast<const FaultyFile&>(file);
  if (const int fault = faulty.fault_of_write(offset, bytes)) return fault;
  request->file = faulty.content(), request->is_write = true;
  request->offset = offset, request->source = bytes;
  request->bytes.assign(bytes.begin(), bytes.end());
  return begin(Operation::write, request);
}

int FaultyQueue::begin_sync(const RequestPtr& request, const File& file) {
  request->file = static_cast<const FaultyFile&>(file).content();
  request->covered = disk_->stamps;
  return begin(Operation::sync, request);
}

Result<void> FaultyQueue::write(File& file, uint64_t offset, std::span<const std::byte> bytes,
                                uint64_t token) {
  return submit(file, [&] { return begin_write(request_of(token), file, offset, bytes); });
}

Result<void> FaultyQueue::sync(File& file, uint64_t token) {
  return submit(file, [&] { return begin_sync(request_of(token), file); });
}

Result<void> FaultyQueue::write_and_sync(File& file, uint64_t offset,
                                         std::span<const std::byte> bytes, uint64_t write_token,
                                         uint64_t sync_token) {
  const RequestPtr write = request_of(write_token), sync = request_of(sync_token);
  sync->behind = write;
  return submit(file, [&] {
    const int error_number = begin_write(write, file, offset, bytes);
    return error_number != 0 ? error_number : begin_sync(sync, file);
  });
}

FaultyQueue::RequestPtr FaultyQueue::take_any() {
  std::vector<size_t> ready;
  for (size_t i = 0; i < under_way_.size(); ++i)
    if (!under_way_[i]->behind || under_way_[i]->behind->is_done) ready.push_back(i);
  if (ready.empty()) return nullptr;
  const size_t at = ready[disk_->random.below(ready.size())];
  RequestPtr request = under_way_[at];
  under_way_.erase(under_way_.begin() + static_cast<ptrdiff_t>(at));
  return request;
}

void FaultyQueue::perform(Request& request) {
  UnsyncedFile& file = *request.file;
  if (request.is_write) {
    check_source(request);
    if (request.error_number != 0)
      return write_in_part(*disk_, file, request.offset, request.bytes);
    request.also = disk_->stamp();
    return file.write(request.offset, request.bytes, request.also);
  }
  if (request.behind && request.behind->error_number != 0) {
    request.error_number = ECANCELED;
  } else if (request.error_number != 0) {
    file.fail_sync(disk_->random);
  } else {
    file.sync(request.covered, request.behind ? request.behind->also : 0);
  }
}

size_t FaultyQueue::wait(std::span<Completion> completions) {
  const std::lock_guard lock(disk_->mutex);
  const uint64_t most = std::min(completions.size(), under_way_.size());
  if (most == 0) return 0;
  const uint64_t wanted = 1 + disk_->random.below(most);
  size_t count = 0;
  while (count < wanted) {
    const RequestPtr request = take_any();
    if (!request) break;
    const bool is_alive = disk_->has_power && power_cycle_ == disk_->power_cycle;
    // The disk may have done it, and the power gone before anybody was told.
    if (!is_alive || disk_->run(Operation::completion, [&] { perform(*request); }) != 0)
      request->error_number = EIO;
    request->is_done = true;
    completions[count++] = {request->token, request->error_number};
  }
  return count;
}

}  // namespace casbook::test
