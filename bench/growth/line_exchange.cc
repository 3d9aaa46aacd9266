#include "growth/line_exchange.h"

#include <thread>

#include "base/atomic.h"
#include "growth/together.h"

namespace casbook::growth {

double line_exchange_ns() {
  constexpr uint32_t kExchanges = 10'000;
  struct alignas(128) Line {
    base::AtomicU64 turn;
  };
  static Line line;
  line.turn.store_relaxed(0);  // before the other thread is there
  const auto take_turns = [](int side) {
    stay_on(side);
    for (uint64_t turn = static_cast<uint64_t>(side); turn < 2 * kExchanges; turn += 2) {
      while (line.turn.load_relaxed() != turn) base::spin_pause();
      line.turn.store_relaxed(turn + 1);  // relaxed: nothing else is handed over
    }
  };
  std::thread other(take_turns, 1);
  double ns = 0;
  std::thread one([&] {
    stay_on(0);
    while (line.turn.load_relaxed() != 0) base::spin_pause();
    const int64_t start = bench::now_ns();
    take_turns(0);
    ns = static_cast<double>(bench::now_ns() - start) / (2 * kExchanges);
  });
  one.join();
  other.join();
  return ns;
}

}  // namespace casbook::growth
