// What is timed of each design, and the figures that come of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "durable/disk.h"
#include "peers/crew.h"
#include "served/place.h"
#include "spread.h"

namespace casbook::peers {

struct Effort {
  // Servers take minutes to make as many as memory has: only the long form gives them the time.
  uint32_t accounts_memory = 1'000'000, accounts_durable = 100'000, accounts_hot = 16;
  uint64_t payments = 4'000'000;  // ids that a design holds
  uint32_t repeats_memory = 9, repeats_durable = 3;
  double seconds_memory = 0.12, seconds_durable = 0.4;  // of a round
  int64_t handicap_ns = 0;                              // burnt in each payment of casbook's
  const char* form = "short";

  uint32_t accounts(bool is_durable) const {
    return is_durable ? accounts_durable : accounts_memory;
  }
  static Effort tiny();
  static Effort at_length();
};

struct Case {
  const char* key;
  const char* text;
  Work work;
  uint32_t callers;
  bool is_hot;  // of few accounts
};
const std::vector<Case>& all_cases();

using bench::Spread;
using bench::spread_of;

// One case of one design, over all repeats.
struct Figures {
  std::vector<double> rates{};  // per second
  Histogram latencies{};        // of payments
  uint64_t busy = 0;
  std::string why{};  // empty: it was measured
};

struct Subject {
  std::string name, why{};  // why it was skipped
  std::unique_ptr<Design> design{};
  std::unique_ptr<Crew> crew{};
  std::vector<Figures> figures{};  // by case
};

struct Results {
  std::vector<Subject> subjects;
  std::vector<double> sync_us;  // one block written and synced, medians by repeat; empty: memory
};

// Designs of that durability whose name begins with one of `only` (none: all). Starts them all, so
// that in each repeat all take their turn, each time another first.
Results measure(const Effort& effort, bool is_durable, const std::vector<std::string>& only,
                const bench::Place& place);

}  // namespace casbook::peers
