#include "replicate/reference_stream.h"

#include <algorithm>

#include "base/assert.h"
#include "base/probe.h"

namespace casbook::replicate {

namespace {

constexpr int64_t kAskAgainMaxNs = 32'000'000;
// What is asked for again, from the front: repairs of what is behind that are still to come.
constexpr uint64_t kAskAgainEntries = 256;
// How far from the front anything is asked for.
constexpr uint64_t kAskAheadEntries = 8192;

int64_t ask_again_min_ns(const NakTiming& timing) {
  return 2 * std::max(timing.delay_ns, timing.round_trip_ns);
}

int64_t first_delay_ns(const NakTiming& timing) {
  return base::mutated(base::Mutant::transport_naks_at_once) ? 0
                                                             : timing.delay_ns + timing.jitter_ns;
}

// Both whole entries, told as one hole.
bool is_next_to(const Hole& hole, const Hole& next) {
  return hole.granules == 0 && next.granules == 0 && hole.entries < kHoleEntriesMax &&
         hole.index + hole.entries == next.index;
}

}  // namespace

bool ReferenceStream::is_joined_by(const ReferenceFrame& reference) const {
  if (reference.term != term_) return false;
  // The leader went back behind what was handed over: it believes that something is missing there.
  if (reference.prev_index + 1 < next_) return false;
  return reference.prev_index < end_ || reference.prev_term == end_term();
}

void ReferenceStream::begin(const ReferenceFrame& reference) {
  term_ = reference.term;
  next_ = reference.prev_index + 1, prev_term_ = reference.prev_term;
  end_ = reference.prev_index;
  runs_.clear(), ages_.clear();
  asked_end_ = 0, again_ns_ = 0, again_after_ns_ = 0;
}

void ReferenceStream::refer(const ReferenceFrame& reference, int64_t now_ns) {
  if (!is_joined_by(reference)) begin(reference);
  version_ = reference.version;
  commit_ = reference.commit, round_ = reference.round;
  if (reference.prev_index > end_) add_run(reference.prev_index, reference.prev_term);
  uint64_t last = reference.prev_index;
  for (const TermRun& run : reference.runs.list()) add_run(last += run.count, run.term);
  if (is_owed() && (ages_.empty() || ages_.back().last_index < end_))
    ages_.push_back({end_, now_ns});
  has_news_ = true;
}

void ReferenceStream::add_run(uint64_t last_index, uint64_t term) {
  if (last_index <= end_) return;
  if (!runs_.empty() && runs_.back().term == term)
    runs_.back().last_index = last_index;
  else
    runs_.push_back({last_index, term});
  end_ = last_index;
}

uint64_t ReferenceStream::term_of(uint64_t index) const {
  for (const Run& run : runs_)
    if (index <= run.last_index) return run.term;
  CASBOOK_ASSERT(!"an index that was not referred to");
  return 0;
}

void ReferenceStream::pop_front_until(uint64_t index) {
  while (!runs_.empty() && runs_.front().last_index <= index) runs_.pop_front();
  while (!ages_.empty() && ages_.front().last_index <= index) ages_.pop_front();
}

void ReferenceStream::forget_before(uint64_t term) {
  if (term_ >= term) return;
  end_ = next_ - 1;
  runs_.clear(), ages_.clear();
}

std::optional<AppendEntries> ReferenceStream::hand_over(const Find& find) {
  if (!is_owed() && !has_news_) return std::nullopt;
  AppendEntries message{.version = version_,
                        .term = term_,
                        .prev_index = next_ - 1,
                        .prev_term = prev_term_,
                        .commit = commit_,
                        .round = round_};
  while (is_owed() && message.entries.size() < kHandOverMax) {
    const uint64_t term = term_of(next_);
    EntryPtr entry = find(term, next_);
    if (!entry) break;
    message.entries.push_back(std::move(entry));
    prev_term_ = term;
    pop_front_until(next_++);
  }
  message.count = static_cast<uint32_t>(message.entries.size());
  if (message.count == 0 && !has_news_) return std::nullopt;
  has_news_ = false;
  if (message.count != 0) again_after_ns_ = 0;  // repairs come: no reason to be patient
  return message;
}

// The last index that has been owed for the whole delay.
uint64_t ReferenceStream::ripe_end(const NakTiming& timing, int64_t now_ns) const {
  uint64_t end = 0;
  for (const Age& age : ages_) {
    if (age.since_ns + first_delay_ns(timing) > now_ns) break;
    end = age.last_index;
  }
  return end;
}

int64_t ReferenceStream::ask_ns(const NakTiming& timing) const {
  if (!is_owed()) return INT64_MAX;
  int64_t when = asked_end_ >= next_ ? again_ns_ : INT64_MAX;
  for (const Age& age : ages_) {
    if (age.last_index <= asked_end_) continue;
    if (asked_end_ >= next_ && asked_end_ - next_ + 1 >= kAskAheadEntries) break;
    when = std::min(when, age.since_ns + first_delay_ns(timing));
    break;
  }
  return when;
}

void ReferenceStream::ask(const NakTiming& timing, int64_t now_ns, const Has& has,
                          const AddHoles& add_holes, FewOf<Hole, 64>& holes) {
  if (!is_owed()) return;
  const bool is_again = asked_end_ >= next_ && again_ns_ <= now_ns;
  const uint64_t end = is_again ? std::min(asked_end_, next_ + kAskAgainEntries - 1)
                                : std::min(ripe_end(timing, now_ns), next_ + kAskAheadEntries - 1);
  uint64_t index = is_again ? next_ : std::max(next_, asked_end_ + 1);
  for (; index <= end && !holes.is_full(); ++index) {
    const uint64_t term = term_of(index);
    if (has(term, index)) continue;
    const uint32_t before = holes.count;
    add_holes(term, index, holes);
    if (before != 0 && holes.count == before + 1 &&
        is_next_to(holes.items[before - 1], holes.items[before])) {
      ++holes.items[before - 1].entries;
      --holes.count;
    }
  }
  asked_end_ = std::max(asked_end_, index - 1);
  if (again_ns_ <= now_ns) {
    const int64_t least = ask_again_min_ns(timing);
    again_after_ns_ = std::clamp(2 * again_after_ns_, least, std::max(least, kAskAgainMaxNs));
    again_ns_ = now_ns + again_after_ns_;
  }
}

}  // namespace casbook::replicate
