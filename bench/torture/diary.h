// What one caller asks and is answered in one bout, written down in memory that survives it. The
// caller is the only writer; others read when it is dead, stopped, or has said by its pipe that it
// is done. So nothing is ordered by these words, and all accesses are relaxed.
#pragma once

#include <array>

#include "base/atomic.h"
#include "peers/design.h"

namespace casbook::torture {

constexpr uint32_t kPaymentsMax = 16;  // of a bout; each has an index
constexpr uint32_t kLinesMax = 19;  // of three callers: as many as the checker of histories takes

struct Diary {
  struct Line {
    base::AtomicU64 index_plus_1;  // of the payment; 0: a call that has done nothing
    base::AtomicU64 called_ns, returned_ns;
    base::AtomicU64 answer_plus_1;  // 0: there was none
  };
  base::AtomicU64 count;
  std::array<Line, kLinesMax> lines;
  base::AtomicU64 struck_ns;  // when the caller was about to strike itself
  // What it saw of the bout's accounts when it was told to look; noted: a bit for each payment.
  base::AtomicU64 payer_funds, payee_funds, noted;

  void clear() {
    count.store_relaxed(0);
    struck_ns.store_relaxed(0);
  }
  // A line for the call that begins now. Null: the diary is full.
  Line* begin(uint32_t index, int64_t now_ns) {
    const uint64_t place = count.load_relaxed();
    if (place == kLinesMax) return nullptr;
    Line& line = lines[place];
    line.called_ns.store_relaxed(static_cast<uint64_t>(now_ns));
    line.returned_ns.store_relaxed(0);
    line.answer_plus_1.store_relaxed(0);
    line.index_plus_1.store_relaxed(index + 1);
    count.store_relaxed(place + 1);
    return &line;
  }
  static void end(Line& line, peers::Answer answer, int64_t now_ns) {
    line.returned_ns.store_relaxed(static_cast<uint64_t>(now_ns));
    line.answer_plus_1.store_relaxed(static_cast<uint64_t>(answer) + 1);
  }
  static void leave_out(Line& line) { line.index_plus_1.store_relaxed(0); }
};

}  // namespace casbook::torture
