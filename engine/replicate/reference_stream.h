// What one peer, as leader, has referred to and is not handed over yet: references joined end to
// end, handed over from the front as their entries are there, and what to ask for.
//
//        handed over        owed                           referred to next
//   ...--------------| next ................. end |   ref  ref  ref
//                      ^ hole: nothing behind it can be handed over
//
// A reference whose predecessor is lost is joined all the same when both ends have the same term:
// terms do not fall along a log, so all between have it too, and a leader's log of its own term
// only grows. It hands over an AppendEntries that the leader might have sent.
//
// Only for references in the order in which they were sent (peer_session.h).
#pragma once

#include <deque>
#include <functional>

#include "replicate/wire.h"

namespace casbook::replicate {

struct NakTiming {
  int64_t delay_ns = 1'000'000;  // before the first; pieces come by two sockets, out of order
  int64_t jitter_ns = 0;         // on top, of this node
  int64_t round_trip_ns = 0;     // no repeat within it
};

class ReferenceStream {
 public:
  // Null: not there.
  using Find = std::function<EntryPtr(uint64_t term, uint64_t index)>;
  using Has = std::function<bool(uint64_t term, uint64_t index)>;
  using AddHoles = std::function<void(uint64_t term, uint64_t index, FewOf<Hole, 64>& holes)>;

  static constexpr uint32_t kHandOverMax = 1024;  // entries of one AppendEntries

  void refer(const ReferenceFrame& reference, int64_t now_ns);
  // Another leads in that term: what this one referred to in an earlier one is not waited for.
  void forget_before(uint64_t term);
  // The entries from the front on that are there; none too, once after each reference: it is a
  // heartbeat in any case. Nothing: nothing new to tell.
  std::optional<AppendEntries> hand_over(const Find& find);

  bool is_owed() const { return next_ <= end_; }
  // When ask() has something to say; INT64_MAX: never.
  int64_t ask_ns(const NakTiming& timing) const;
  // What is missing of what was referred to long enough ago, and has not been asked for lately.
  void ask(const NakTiming& timing, int64_t now_ns, const Has& has, const AddHoles& add_holes,
           FewOf<Hole, 64>& holes);

 private:
  struct Run {
    uint64_t last_index, term;
  };
  struct Age {
    uint64_t last_index;
    int64_t since_ns;
  };

  bool is_joined_by(const ReferenceFrame& reference) const;
  void begin(const ReferenceFrame& reference);
  void add_run(uint64_t last_index, uint64_t term);
  uint64_t end_term() const { return runs_.empty() ? prev_term_ : runs_.back().term; }
  uint64_t term_of(uint64_t index) const;
  void pop_front_until(uint64_t index);
  uint64_t ripe_end(const NakTiming& timing, int64_t now_ns) const;

  uint8_t version_ = 0;
  uint64_t term_ = 0, commit_ = 0, round_ = 0;
  uint64_t next_ = 1, prev_term_ = 0;  // the first that is owed, and the term before it
  uint64_t end_ = 0;                   // the last that was referred to
  bool has_news_ = false;              // a reference came since the last hand_over()
  std::deque<Run> runs_;               // of next_ .. end_
  std::deque<Age> ages_;               // since when they are owed

  uint64_t asked_end_ = 0;  // what is up to here was asked for once
  int64_t again_ns_ = 0, again_after_ns_ = 0;
};

}  // namespace casbook::replicate
