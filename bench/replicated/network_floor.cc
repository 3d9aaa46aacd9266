#include "replicated/network_floor.h"

#include <csignal>
#include <cstring>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "replicated/floor_daemons.h"

namespace casbook::bench {

NetworkFloor::NetworkFloor(const test_support::Hosts& hosts, const FloorShape& shape)
    : shape_(shape), lines_(shape), asked_(shape.callers) {
  for (uint32_t host = 1; host <= hosts.count(); ++host) {
    daemons_.push_back(fork());
    if (daemons_.back() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    hosts.enter(host);
    if (host == 1) lead_floor(shape, lines_, hosts.count(), hosts.disk(host));
    follow_floor(shape, lines_, host, hosts.disk(host));
  }
  while (lines_.ready[0].count.load_relaxed() < hosts.count())
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

NetworkFloor::~NetworkFloor() {
  for (const pid_t pid : daemons_) kill(pid, SIGKILL), waitpid(pid, nullptr, 0);
}

void NetworkFloor::hand_over(uint32_t caller) {
  CallLines& lines = lines_.calls[caller];
  const uint64_t before = asked_[caller]++;
  lines.asked.count.store_release(asked_[caller]);  // [bell]
  ring_shared(lines_.bell[0]);
  sleep_on(lines.answered, before);
}

void NetworkFloor::work(uint32_t caller, int64_t until_ns, uint64_t& batches) {
  std::vector<std::byte> record(shape_.record_bytes, std::byte{1});
  std::byte* batch = &lines_.slabs[caller * shape_.records_per_batch * shape_.record_bytes];
  while (now_ns() < until_ns) {
    for (uint64_t i = 0; i < shape_.records_per_batch; ++i) {
      std::memcpy(record.data(), &i, sizeof(i));
      std::memcpy(batch + i * record.size(), record.data(), record.size());
    }
    hand_over(caller);
    ++batches;
  }
}

double NetworkFloor::run(double seconds) {
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
