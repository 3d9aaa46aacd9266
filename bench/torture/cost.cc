#include "torture/cost.h"

#include "base/atomic.h"
#include "harness.h"
#include "support/child_process.h"

namespace casbook::torture {

int64_t cost_of_payment_ns(peers::Design& design, uint32_t a, uint32_t b) {
  constexpr int64_t kLongestNs = 200'000'000;
  constexpr uint64_t kMost = 20'000, kFirstId = uint64_t{1} << 40;
  const test_support::Shared<base::AtomicU64> result;
  test_support::Child payer([&] {
    const auto caller = design.connect();
    if (!caller) return;
    uint64_t paid = 0;
    const int64_t begun = bench::now_ns();
    while (paid < kMost && bench::now_ns() - begun < kLongestNs) {
      const bool is_odd = paid % 2 != 0;
      const peers::Transfer transfer{
          .id = kFirstId + paid, .from = is_odd ? b : a, .to = is_odd ? a : b};
      if (caller->pay(transfer, {}) != peers::Answer::paid) return;
      ++paid;
    }
    result->store_relaxed(static_cast<uint64_t>(bench::now_ns() - begun) / paid);
  });
  payer.wait();
  // The child has ended: its store is there.
  return static_cast<int64_t>(result->load_relaxed());
}

}  // namespace casbook::torture
