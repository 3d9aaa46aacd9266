#include "durable/disk_floor.h"

#include <csignal>
#include <cstring>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace casbook::bench {
namespace {

constexpr uint64_t kFloorFileBytes = 64 << 20;

void end(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace

RoundTripFloor::RoundTripFloor(const std::string& folder) : lines_(1), daemon_(fork()) {
  if (daemon_ == 0) serve(folder);
  round();  // the first waits until the file is made
}

RoundTripFloor::~RoundTripFloor() { end(daemon_); }

void RoundTripFloor::serve(const std::string& folder) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  SyncedFile file(folder + "/floor", kFloorFileBytes);
  file.open_ring();
  const Blocks block(kBlockBytes);
  for (uint64_t seen = 0;;) {
    seen = sleep_on(lines_[0].asked, seen);
    std::memcpy(block.data(), &seen, sizeof(seen));
    file.write_and_sync(block.data(), kBlockBytes);
    ring(lines_[0].answered, seen);
  }
}

void RoundTripFloor::round() {
  const uint64_t before = rounds_++;
  ring(lines_[0].asked, rounds_);
  sleep_on(lines_[0].answered, before);
}

GroupFloor::GroupFloor(const std::string& folder, const Shape& shape)
    : shape_(shape),
      lines_(shape.callers),
      bell_(1),
      slabs_(shape.callers * shape.records_per_batch * shape.record_bytes),
      asked_(shape.callers),
      daemon_(fork()) {
  if (daemon_ == 0) serve(folder);
}

GroupFloor::~GroupFloor() { end(daemon_); }

void GroupFloor::serve(const std::string& folder) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  SyncedFile file(folder + "/group", kFloorFileBytes);
  file.open_ring();
  const Blocks group(shape_.callers * batch_bytes());
  std::vector<uint64_t> answered(shape_.callers);
  std::vector<uint32_t> covered;
  for (;;) {
    const uint64_t seen = bell_[0].count.load_acquire();  // [bell]
    covered.clear();
    for (uint32_t i = 0; i < shape_.callers; ++i) {
      const uint64_t asked = lines_[i].asked.count.load_acquire();  // [bell]
      if (asked == answered[i]) continue;
      std::memcpy(group.data() + covered.size() * batch_bytes(), batch_of(i), batch_bytes());
      answered[i] = asked;
      covered.push_back(i);
    }
    if (covered.empty()) {
      sleep_on(bell_[0], seen);
      continue;
    }
    file.write_and_sync(group.data(), round_up_to_block(covered.size() * batch_bytes()));
    for (const uint32_t i : covered) ring(lines_[i].answered, answered[i]);
  }
}

void GroupFloor::work(uint32_t caller, int64_t until_ns, uint64_t& batches) {
  std::vector<std::byte> record(shape_.record_bytes, std::byte{1});
  CallLines& lines = lines_[caller];
  while (now_ns() < until_ns) {
    for (uint64_t i = 0; i < shape_.records_per_batch; ++i) {
      std::memcpy(record.data(), &i, sizeof(i));
      std::memcpy(batch_of(caller) + i * record.size(), record.data(), record.size());
    }
    const uint64_t before = asked_[caller]++;
    lines.asked.count.store_release(asked_[caller]);  // [bell]
    ring_shared(bell_[0]);
    sleep_on(lines.answered, before);
    ++batches;
  }
}

double GroupFloor::run(double seconds) {
  std::vector<uint64_t> batches(shape_.callers * 8);  // a line each
  const int64_t start = now_ns();
  const int64_t until = start + static_cast<int64_t>(seconds * 1e9);
  std::vector<std::thread> callers;
  for (uint32_t i = 0; i < shape_.callers; ++i)
    callers.emplace_back([&, i] { work(i, until, batches[i * 8]); });
  for (std::thread& caller : callers) caller.join();
  uint64_t sum = 0;
  for (const uint64_t count : batches) sum += count;
  return static_cast<double>(sum * shape_.records_per_batch) * 1e9 /
         static_cast<double>(now_ns() - start);
}

}  // namespace casbook::bench
