#include "support/hosts/ether_switch.h"

#include <csignal>
#include <cstdlib>
#include <new>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child_process.h"
#include "support/hosts/forwarder.h"

namespace casbook::test_support {
namespace {

// Nothing else that the parent had open: no lock, no pipe and no book lives on in the switch.
std::vector<int> keep_only(const std::vector<int>& taps) {
  constexpr int kKept = 900, kAfterStandardError = 3;
  std::vector<int> kept;
  for (const int tap : taps) {
    kept.push_back(fcntl(tap, F_DUPFD_CLOEXEC, kKept));
    if (kept.back() < 0) _exit(1);
    fcntl(kept.back(), F_SETFL, O_RDWR | O_NONBLOCK);
  }
  close_range(kAfterStandardError, static_cast<unsigned>(kept.front()) - 1, 0);
  close_range(static_cast<unsigned>(kept.back()) + 1, ~0u, 0);
  return kept;
}

}  // namespace

EtherSwitch::EtherSwitch(const std::vector<int>& taps, uint64_t seed)
    : hosts_(static_cast<uint32_t>(taps.size())) {
  if (taps.empty() || hosts_ > kHostsMax) std::abort();
  void* memory =
      mmap(nullptr, sizeof(SwitchLines), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  lines_ = new (memory) SwitchLines;
  heal();
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ > 0) return;
  die_with(parent);
  prctl(PR_SET_NAME, "test-switch");
  Forwarder(keep_only(taps), *lines_, seed).run();
}

EtherSwitch::~EtherSwitch() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  munmap(lines_, sizeof(SwitchLines));
}

void EtherSwitch::set(uint32_t from, uint32_t to, const LinkFaults& faults) {
  link(from, to).set(faults);
}

void EtherSwitch::cut_one_way(uint32_t from, uint32_t to) { link(from, to).set_cut(true); }

void EtherSwitch::set_all(const LinkFaults& faults) {
  for (uint32_t from = 1; from <= hosts_; ++from)
    for (uint32_t to = 1; to <= hosts_; ++to) set(from, to, faults);
}

void EtherSwitch::cut(uint32_t a, uint32_t b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}

void EtherSwitch::isolate(uint32_t host) {
  for (uint32_t other = 1; other <= hosts_; ++other)
    if (other != host) cut(host, other);
}

LinkCounts EtherSwitch::counts(uint32_t from, uint32_t to) const { return link(from, to).counts(); }

LinkCounts EtherSwitch::total() const {
  LinkCounts sum;
  for (uint32_t from = 1; from <= hosts_; ++from)
    for (uint32_t to = 1; to <= hosts_; ++to) {
      const LinkCounts one = counts(from, to);
      sum.passed += one.passed, sum.bytes += one.bytes, sum.lost += one.lost, sum.cut += one.cut;
      sum.duplicated += one.duplicated, sum.reordered += one.reordered;
      sum.corrupted += one.corrupted, sum.overflows += one.overflows;
    }
  return sum;
}

}  // namespace casbook::test_support
