#include "commit/store.h"

#include <algorithm>

#include "base/assert.h"

namespace casbook::commit {

using arena::CellTable;
using arena::Region;

Store::Store(const arena::Mapping& mapping)
    : mapping_(mapping),
      control_(&mapping.control()),
      slots_(mapping.region<LogSlot>(Region::log_slots)),
      index_(mapping.region<IndexSlot>(Region::record_index)),
      ring_mask_(mapping.geometry().records - 1),
      sessions_(static_cast<uint32_t>(mapping.geometry().sessions)),
      session_slots_(mapping.region<arena::SessionSlot>(Region::sessions)),
      events_(mapping.region<arena::EventLine>(Region::events)),
      descriptors_(mapping.region<Descriptor>(Region::descriptors)),
      cells_(mapping.region<std::byte>(Region::cells)),
      units_(mapping.header().regions[static_cast<uint32_t>(Region::cells)].bytes / kUnitBytes) {
  CASBOOK_ASSERT((ring_mask_ & (ring_mask_ + 1)) == 0);
}

uint32_t Store::word_count(Unit unit) const {
  return static_cast<uint32_t>(
      std::min<uint64_t>(cell(unit).word_count.load_relaxed(), kCellWordsMax));
}

bool Store::is_cell(Unit unit, uint32_t word) const {
  if (unit >= units_) return false;
  const uint32_t words = word_count(unit);
  return (word == kNoWord || word < words) && unit + units_of(words) <= units_;
}

void Store::format(arena::Mapping& mapping, bool gate_open) {
  Store store(mapping);
  const uint64_t ring = store.ring_slots();
  for (uint64_t i = 0; i < ring; ++i) store.slots_[i].lo.initialise(fresh_slot_lsn(i, ring));
  store.control_->tail.initialise(kFirstLsn);
  store.control_->gate.initialise(uint64_t{1} << 1 | (gate_open ? 1 : 0));
  store.control_->retention.lo.initialise(kFirstLsn);
  store.control_->retention.hi.initialise(UINT64_MAX);
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const auto& extent = mapping.cells(static_cast<CellTable>(t));
    const uint64_t step = units_of(kTableWords[t]);
    for (uint64_t i = 0; i < extent.count; ++i)
      store.cell(extent.first_unit + i * step).word_count.initialise(kTableWords[t]);
  }
}

}  // namespace casbook::commit
