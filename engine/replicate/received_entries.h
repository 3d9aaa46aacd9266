// Entries that came by DATA, put together from their pieces, until a reference hands them over.
//
// An entry is told by (term, index): Raft has no two that differ. What is kept is bounded; the
// oldest goes first, and what was handed over before that: it is in the log, unless consensus
// turned the reference down, and then it need not come over the network again.
#pragma once

#include <list>
#include <map>

#include "replicate/wire.h"

namespace casbook::replicate {

class ReceivedEntries {
 public:
  explicit ReceivedEntries(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  enum class Added {
    completed,      // the entry is whole now
    piece,          // not yet
    duplicate,      // nothing new
    contradiction,  // to what came before of the same entry: one of the two is wrong
  };
  Added add(const DataFrame& frame);

  // Null: not whole.
  EntryPtr find(uint64_t term, uint64_t index) const;
  void handed_over(uint64_t term, uint64_t index);
  // What is missing of it, as far as `holes` has room.
  void add_holes(uint64_t term, uint64_t index, FewOf<Hole, 64>& holes) const;

  uint64_t bytes() const { return bytes_; }

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Slot {
    std::shared_ptr<LogEntry> entry;
    std::vector<uint64_t> missing;  // a bit per granule; empty: whole
    uint32_t total = 0;  // bytes of the body
    uint32_t missing_count = 0;
    bool is_handed_over = false;
    std::list<Key>::iterator place;
  };
  using Slots = std::map<Key, Slot>;

  Slot& open_slot(const Key& key, const DataFrame& frame);
  static bool fits(const Slot& slot, const DataFrame& frame);
  static uint32_t take_piece(Slot& slot, const DataFrame& frame);
  static uint64_t cost(const Slot& slot);
  void drop_oldest();
  void drop(const Key& key);

  uint64_t bytes_max_;
  uint64_t bytes_ = 0, handed_over_bytes_ = 0;
  Slots slots_;
  std::list<Key> waiting_, handed_over_;  // by age
};

}  // namespace casbook::replicate
