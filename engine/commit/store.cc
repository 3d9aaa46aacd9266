#include "commit/store.h"

#include <algorithm>

#include "base/assert.h"

namespace casbook::commit {

using arena::CellTable;
using arena::Region;

Store::Store(const arena::Mapping& mapping)
    : mapping_(mapping),
      control_(&mapping.control()),
      replication_(&mapping.replication()),
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

const char* Store::fault_of(const arena::Mapping& mapping) {
  const arena::Geometry& geometry = mapping.geometry();
  const auto holds = [&](Region region, uint64_t count, uint64_t bytes) {
    return mapping.header().regions[static_cast<uint32_t>(region)].bytes / bytes >= count;
  };
  if (geometry.records == 0 || (geometry.records & (geometry.records - 1)) != 0)
    return "records: not a power of two";
  if (geometry.sessions == 0 || geometry.attachments == 0) return "sessions: none";
  constexpr uint64_t kWindowMsMin = 1000, kWindowMsMax = 366ull * 24 * 3600 * 1000;
  if (geometry.window_ms < kWindowMsMin || geometry.window_ms > kWindowMsMax)
    return "window: not between a second and 366 days";
  if (geometry.block_bytes != kBlockBytesDefault) return "blocks: of a size that is not ours";
  if (!holds(Region::log_slots, geometry.records, sizeof(LogSlot)) ||
      !holds(Region::record_index, geometry.records, sizeof(IndexSlot)))
    return "records: more than their regions hold";
  if (!holds(Region::descriptors, geometry.sessions * kDescriptorsPerSession, sizeof(Descriptor)))
    return "sessions: more than their descriptors' region holds";
  if (!holds(Region::block_states, geometry.blocks, sizeof(base::AtomicU64)) ||
      !holds(Region::blocks, geometry.blocks, geometry.block_bytes))
    return "blocks: more than their regions hold";
  constexpr uint64_t kCellsMin[arena::kCellTableCount] = {1, 1, 1, 1, 1, kIdChainMax, 1};
  const uint64_t units =
      mapping.header().regions[static_cast<uint32_t>(Region::cells)].bytes / kUnitBytes;
  uint64_t end = 0;
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const auto& table = mapping.cells(static_cast<CellTable>(t));
    const uint64_t step = units_of(kTableWords[t]);
    if (table.count < kCellsMin[t]) return "a table of cells is too small";
    if (table.first_unit < end) return "tables of cells overlap";
    if (table.count > (units - table.first_unit) / step)
      return "a table of cells is larger than its region";
    end = table.first_unit + table.count * step;
  }
  if (mapping.cells(CellTable::accounts).count != mapping.cells(CellTable::profiles).count)
    return "accounts: not as many as profiles";
  return nullptr;
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

void Store::format(arena::Mapping& mapping, bool gate_open, Position first) {
  format_log(mapping, gate_open, first);
  format_cells(mapping);
}

void Store::format_log(arena::Mapping& mapping, bool gate_open, Position first) {
  Store store(mapping);
  const uint64_t ring = store.ring_slots();
  for (uint64_t i = 0; i < ring; ++i)
    store.slots_[i].lo.initialise(fresh_slot_lsn(i, ring, first.lsn()));
  store.control_->tail.initialise(first.lsn());
  store.control_->gate.initialise(first.term() << 1 | (gate_open ? 1 : 0));
  store.control_->term_starts[first.term() % kTermStarts].initialise(first.value);
  store.control_->retention.lo.initialise(first.lsn());
  store.control_->retention.hi.initialise(UINT64_MAX);
}

void Store::format_cells(arena::Mapping& mapping) {
  Store store(mapping);
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const auto& extent = mapping.cells(static_cast<CellTable>(t));
    const uint64_t step = units_of(kTableWords[t]);
    for (uint64_t i = 0; i < extent.count; ++i)
      store.cell(extent.first_unit + i * step).word_count.initialise(kTableWords[t]);
  }
}

}  // namespace casbook::commit
