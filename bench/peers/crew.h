// Callers of one design that work in rounds, at the same time: forked processes, or threads where
// the design lives in one. Between rounds they sleep in a read: many crews may be there at once,
// and cost nothing while another is timed.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "floor.h"
#include "handicap.h"
#include "histogram.h"
#include "peers/design.h"

namespace casbook::peers {

using bench::Histogram;

enum class Work : uint32_t { pay, lock, floor };

struct Round {
  Work work = Work::pay;
  uint32_t callers = 1;   // the first so many
  uint32_t accounts = 0;  // picked from the first so many
  bool is_timed = false;  // each call by itself, into the histogram
  int64_t ns = 0;         // 0: that was the last one
};

struct RoundResult {
  double per_s = 0;       // of all callers together; 0: see `why`
  uint64_t busy = 0;      // answers, not counted in the rate
  Histogram latencies{};  // of a timed round
  std::string why{};
};

class Crew {
 public:
  // Connects them all. `handicap_ns`: burnt in each payment, to see whether that is noticed.
  Crew(Design& design, uint32_t callers, int64_t handicap_ns);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Empty: all are connected.
  const std::string& why() const { return why_; }
  RoundResult run(const Round& round);

 private:
  struct Order {
    Round round;
    int64_t start_ns = 0;
  };
  // In memory that is shared with the children.
  struct Report {
    base::AtomicU64 operations, busy, ns, is_failed;
    Histogram latencies;
  };
  struct Member {
    int orders[2] = {-1, -1}, answers[2] = {-1, -1};  // pipes: read end, write end
    pid_t pid = 0;
    std::thread thread{};
    uint64_t paid = 0;  // the last id
  };

  void serve(uint32_t number);
  void work(Caller& caller, uint32_t number, const Order& order);
  bool is_answered(Member& member);

  Design& design_;
  bench::Lines<Report> reports_;
  std::vector<Member> members_;
  bench::Handicap handicap_;
  std::string why_;
};

}  // namespace casbook::peers
