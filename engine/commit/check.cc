#include "commit/check.h"

#include <algorithm>

#include <casbook/types.h>

#include "commit/retention.h"

namespace casbook::commit {

namespace {

constexpr const char* kTableNames[arena::kCellTableCount] = {
    "book", "ledger", "directory", "account", "profile", "payments", "lease"};

// A position that some commit up to now can have.
bool is_past(const Store& store, uint64_t version) {
  if (version == 0) return true;
  const Position position{version};
  const uint64_t tail = store.control().tail.load_acquire();            // [tail]
  const uint64_t epoch = store.control().gate.load_acquire() >> 1;      // [gate]
  return position.term() >= 1 && position.term() <= epoch && position.lsn() >= kFirstLsn &&
         position.lsn() < tail + store.ring_slots();
}

std::string look_at_cell(const Store& store, Unit unit, uint32_t words) {
  Cell& cell = store.cell(unit);
  if (cell.word_count.load_relaxed() != words)
    return "word count " + std::to_string(cell.word_count.load_relaxed()) + ", expected " +
           std::to_string(words);
  const uint64_t state = cell.state.load_acquire();  // [release]
  uint64_t greatest = 0;
  for (uint32_t i = 0; i < words; ++i)
    greatest = std::max(greatest, cell.word(i).hi.load_relaxed());
  base::acquire_fence();  // [lock]
  if (cell.state.load_relaxed() != state) return "";
  if (!is_past(store, greatest)) return "version " + std::to_string(greatest) + " of a word";
  if (is_reference(state))
    return store.find_descriptor(state) ? "" : "locked by session " +
           std::to_string(reference_slot(state) / kDescriptorsPerSession) + ", which is none";
  if (state != greatest)
    return "version " + std::to_string(state) + ", its words say " + std::to_string(greatest);
  return "";
}

std::string look_at_entry(const Store& store, const Entry& entry) {
  const uint64_t where = entry.where.load_relaxed();
  const EntryValue value{where, 0, 0, 0};
  if ((where & 7) > static_cast<uint64_t>(Mode::deny))
    return "mode " + std::to_string(where & 7);
  if (!store.is_cell(value.unit(), value.word()))
    return "word " + std::to_string(value.word()) + " of cell " + std::to_string(value.unit());
  return "";
}

std::string look_at_descriptor(const Store& store, const Descriptor& descriptor) {
  const uint64_t status = descriptor.status.lo.load_acquire();  // [publish]
  if (status_sequence(status) == 0 || status_state(status) == State::initial) return "";
  const uint64_t head = descriptor.head.load_relaxed();
  if ((head & 0xff) > kEntriesMax) return std::to_string(head & 0xff) + " entries";
  if ((head >> 8 & 0xff) > kNoteWordsMax) return std::to_string(head >> 8 & 0xff) + " notes";
  for (uint32_t i = 0; i < (head & 0xff); ++i)
    if (const std::string wrong = look_at_entry(store, descriptor.entries[i]); !wrong.empty())
      return "entry " + std::to_string(i) + ": " + wrong;
  if (status_state(status) == State::committed &&
      !is_past(store, descriptor.status.hi.load_relaxed()))
    return "position " + std::to_string(descriptor.status.hi.load_relaxed());
  base::acquire_fence();  // [recycle]
  return "";
}

std::string look_at_slot(const Store& store, uint64_t lsn) {
  LogSlot& slot = store.slot(lsn);
  const uint64_t found = slot.lo.load_acquire();  // [claim]
  const uint64_t content = slot.hi.load_relaxed();
  if (found != lsn) {
    const uint64_t floor = store.control().retention.lo.load_acquire();  // [floor]
    return floor > lsn ? "" : "holds LSN " + std::to_string(found);
  }
  if (is_reference(content))
    return store.find_descriptor(content) ? "" : "names a session that there is not";
  const bool is_mark = mark_kind(content) == Kind::seal || mark_kind(content) == Kind::open;
  const uint64_t gate = store.control().gate.load_acquire();  // [gate]
  // Behind a shut gate the next term may be claimed, and its operator dead: whoever opens helps.
  const bool may_follow = !(gate & 1) && mark_kind(content) == Kind::open;
  return is_mark && mark_epoch(content) <= (gate >> 1) + (may_follow ? 1 : 0) ? "" : "is no mark of an epoch up to now";
}

// Behind the last claim that follows the tail without a gap.
uint64_t first_unclaimed(const Store& store) {
  const uint64_t tail = store.control().tail.load_acquire();  // [tail]
  uint64_t p = tail;
  while (p < tail + store.ring_slots() && store.slot(p).lo.load_acquire() == p) ++p;  // [claim]
  return p;
}

}  // namespace

void check_cells(const Store& store, base::Findings& findings) {
  for (uint32_t table = 0; table < arena::kCellTableCount; ++table) {
    const auto& extent = store.mapping().cells(static_cast<arena::CellTable>(table));
    for (uint64_t i = 0; i < extent.count && !findings.is_full(); ++i) {
      const Unit unit = extent.first_unit + i * units_of(kTableWords[table]);
      findings.check([&] {
        const std::string wrong = look_at_cell(store, unit, kTableWords[table]);
        return wrong.empty() ? wrong
                             : std::string(kTableNames[table]) + " cell " + std::to_string(i) +
                                   ": " + wrong;
      });
    }
  }
}

void check_descriptors(const Store& store, base::Findings& findings) {
  for (uint32_t session = 0; session < store.sessions(); ++session)
    for (uint32_t i = 0; i < kDescriptorsPerSession && !findings.is_full(); ++i)
      findings.check([&] {
        const std::string wrong = look_at_descriptor(store, store.descriptor(session, i));
        return wrong.empty() ? wrong
                             : "session " + std::to_string(session) + " descriptor " +
                                   std::to_string(i) + ": " + wrong;
      });
}

void check_log(const Store& store, base::Findings& findings) {
  const Retention retention(store);
  findings.check([&] {
    const uint64_t floor = retention.floor(), keep = retention.keep();
    const uint64_t tail = store.control().tail.load_acquire();  // [tail]
    if (floor > keep) return "floor " + std::to_string(floor) + " above keep " + std::to_string(keep);
    if (floor < kFirstLsn || floor > tail + store.ring_slots())
      return "floor " + std::to_string(floor) + " with the tail at " + std::to_string(tail);
    return std::string();
  });
  const uint64_t end = first_unclaimed(store);
  const uint64_t oldest = end > store.ring_slots() ? end - store.ring_slots() : kFirstLsn;
  for (uint64_t lsn = std::max(retention.floor(), oldest); lsn < end && !findings.is_full(); ++lsn)
    findings.check([&] {
      const std::string wrong = look_at_slot(store, lsn);
      return wrong.empty() ? wrong : "log slot of LSN " + std::to_string(lsn) + " " + wrong;
    });
  findings.check([&]() -> std::string {
    const uint64_t empty = first_unclaimed(store);
    const uint64_t found = store.slot(empty).lo.load_acquire();  // [claim]
    if (found == empty - store.ring_slots() || found == empty) return "";
    return "log slot of LSN " + std::to_string(empty) + " holds LSN " + std::to_string(found);
  });
}

}  // namespace casbook::commit
