#include "replicate/received_entries.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace casbook::replicate {

namespace {

// Of a slot beside the body: so that empty entries are bounded too.
constexpr uint64_t kSlotBytes = 256;
// The share of the bound that entries may take which were handed over.
constexpr uint64_t kHandedOverShare = 8;

bool is_whole(const DataFrame& frame) { return frame.piece.size() == frame.total; }

}  // namespace

ReceivedEntries::Added ReceivedEntries::add(const DataFrame& frame) {
  const Key key{frame.term, frame.index};
  const auto found = slots_.find(key);
  const bool is_new = found == slots_.end();
  if (!is_new && !fits(found->second, frame)) return Added::contradiction;
  if (!is_new && found->second.missing_count == 0) return Added::duplicate;
  Slot& slot = is_new ? open_slot(key, frame) : found->second;
  const uint32_t taken = take_piece(slot, frame);
  const Added added = slot.missing_count == 0 ? Added::completed
                      : taken != 0            ? Added::piece
                                              : Added::duplicate;
  while (bytes_ > bytes_max_ && waiting_.size() + handed_over_.size() > 1) drop_oldest();
  return added;
}

ReceivedEntries::Slot& ReceivedEntries::open_slot(const Key& key, const DataFrame& frame) {
  Slot& slot = slots_[key];
  slot.entry = std::make_shared<LogEntry>();
  slot.entry->index = frame.index, slot.entry->term = frame.term;
  slot.entry->type = frame.type;
  slot.entry->first_lsn = frame.first_lsn, slot.entry->count = frame.count;
  slot.total = frame.total;
  if (is_whole(frame)) {
    slot.entry->body.assign(frame.piece.begin(), frame.piece.end());
  } else {
    slot.entry->body.reserve(frame.total);
    slot.missing_count = granules_of(frame.total);
    slot.missing.assign((slot.missing_count + 63) / 64, 0);
    for (uint32_t i = 0; i < slot.missing_count; ++i) slot.missing[i / 64] |= 1ull << i % 64;
  }
  slot.place = waiting_.insert(waiting_.end(), key);
  bytes_ += cost(slot);
  return slot;
}

bool ReceivedEntries::fits(const Slot& slot, const DataFrame& frame) {
  const LogEntry& entry = *slot.entry;
  return entry.type == frame.type && entry.first_lsn == frame.first_lsn &&
         entry.count == frame.count && slot.total == frame.total;
}

uint32_t ReceivedEntries::take_piece(Slot& slot, const DataFrame& frame) {
  if (slot.missing_count == 0) return 1;
  const uint32_t first = frame.offset / kGranuleBytes;
  const uint32_t count = granules_of(static_cast<uint32_t>(frame.piece.size()));
  uint32_t taken = 0;
  for (uint32_t i = first; i < first + count; ++i) {
    uint64_t& word = slot.missing[i / 64];
    taken += word >> i % 64 & 1;
    word &= ~(1ull << i % 64);
  }
  std::vector<std::byte>& body = slot.entry->body;
  // One behind the other as a rule: then nothing is written twice.
  if (frame.offset == body.size()) {
    body.insert(body.end(), frame.piece.begin(), frame.piece.end());
  } else {
    if (body.size() < frame.offset + frame.piece.size()) body.resize(slot.total);
    std::memcpy(body.data() + frame.offset, frame.piece.data(), frame.piece.size());
  }
  slot.missing_count -= taken;
  if (slot.missing_count == 0) slot.missing = {};
  return taken;
}

EntryPtr ReceivedEntries::find(uint64_t term, uint64_t index) const {
  const auto found = slots_.find({term, index});
  if (found == slots_.end() || found->second.missing_count != 0) return nullptr;
  return found->second.entry;
}

void ReceivedEntries::handed_over(uint64_t term, uint64_t index) {
  const auto found = slots_.find({term, index});
  if (found == slots_.end() || found->second.is_handed_over) return;
  Slot& slot = found->second;
  slot.is_handed_over = true;
  handed_over_.splice(handed_over_.end(), waiting_, slot.place);
  handed_over_bytes_ += cost(slot);
  while (handed_over_bytes_ > bytes_max_ / kHandedOverShare) drop(handed_over_.front());
}

void ReceivedEntries::add_holes(uint64_t term, uint64_t index, FewOf<Hole, 64>& holes) const {
  const auto found = slots_.find({term, index});
  if (found == slots_.end()) {
    if (!holes.is_full()) holes.add({.index = index});
    return;
  }
  const Slot& slot = found->second;
  const uint32_t granules = granules_of(slot.total);
  const auto is_missing = [&](uint32_t i) { return (slot.missing[i / 64] >> i % 64 & 1) != 0; };
  for (uint32_t i = 0; slot.missing_count != 0 && i < granules && !holes.is_full();) {
    if (!is_missing(i)) {
      ++i;
      continue;
    }
    const uint32_t first = i;
    while (i < granules && is_missing(i)) ++i;
    holes.add({.index = index,
               .first_granule = static_cast<uint16_t>(first),
               .granules = static_cast<uint16_t>(i - first)});
  }
}

uint64_t ReceivedEntries::cost(const Slot& slot) { return slot.total + kSlotBytes; }

void ReceivedEntries::drop_oldest() {
  drop(handed_over_.empty() ? waiting_.front() : handed_over_.front());
}

void ReceivedEntries::drop(const Key& key) {
  const auto found = slots_.find(key);
  const Slot& slot = found->second;
  bytes_ -= cost(slot);
  if (slot.is_handed_over) handed_over_bytes_ -= cost(slot);
  (slot.is_handed_over ? handed_over_ : waiting_).erase(slot.place);
  slots_.erase(found);
}

}  // namespace casbook::replicate
