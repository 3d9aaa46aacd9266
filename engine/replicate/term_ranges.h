// Of which term each entry of a log is. Terms never fall along a log, so a few ranges say it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"

namespace casbook::replicate {

class TermRanges {
 public:
  // An empty log behind `base_index`, 0 for one that has all from entry 1.
  void begin(uint64_t base_index, uint64_t base_term) {
    base_index_ = last_index_ = base_index;
    base_term_ = base_term;
    ranges_.clear();
  }
  void append(uint64_t term) {
    ++last_index_;
    if (ranges_.empty() || ranges_.back().term != term) ranges_.push_back({last_index_, term});
  }
  // `index` and what is behind it go.
  void truncate(uint64_t index) {
    CASBOOK_ASSERT(index > base_index_);
    while (!ranges_.empty() && ranges_.back().first >= index) ranges_.pop_back();
    last_index_ = std::min(last_index_, index - 1);
  }
  // What is up to `index` goes; its term stays known.
  void compact(uint64_t index) {
    CASBOOK_ASSERT(index >= base_index_ && index <= last_index_);
    base_term_ = of(index);
    base_index_ = index;
    size_t gone = 0;
    while (gone + 1 < ranges_.size() && ranges_[gone + 1].first <= index + 1) ++gone;
    if (index == last_index_) gone = ranges_.size();
    ranges_.erase(ranges_.begin(), ranges_.begin() + static_cast<ptrdiff_t>(gone));
    if (!ranges_.empty()) ranges_.front().first = index + 1;
  }

  // 0: it is not there.
  uint64_t of(uint64_t index) const {
    if (index == base_index_) return base_term_;
    const Range* range = range_of(index);
    return range ? range->term : 0;
  }
  // The first entry here that is of the same term as this one, which is here.
  uint64_t first_alike(uint64_t index) const {
    const Range* range = range_of(index);
    CASBOOK_ASSERT(range);
    return range->first;
  }
  uint64_t base_index() const { return base_index_; }
  uint64_t base_term() const { return base_term_; }
  uint64_t last_index() const { return last_index_; }
  uint64_t last_term() const { return of(last_index_); }

 private:
  struct Range {
    uint64_t first, term;
  };
  // From the end: nearly every question is about the last term.
  const Range* range_of(uint64_t index) const {
    if (index <= base_index_ || index > last_index_) return nullptr;
    for (size_t i = ranges_.size(); i-- > 0;)
      if (ranges_[i].first <= index) return &ranges_[i];
    return nullptr;
  }

  uint64_t base_index_ = 0, base_term_ = 0, last_index_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace casbook::replicate
