#include "replicate/digest.h"

#include <algorithm>

#include "base/probe.h"
#include "commit/read.h"
#include "log/log_reader.h"

namespace casbook::replicate {

namespace {

constexpr uint32_t kUnitWords = commit::kUnitBytes / 8;
constexpr const char* kTableNames[arena::kCellTableCount] = {
    "book", "ledger", "directory", "account", "profile", "payments", "lease"};

// visit(unit, words, table) of each cell that begins in these units.
template <class Visit>
void for_each_cell(const commit::Store& store, uint64_t begin, uint64_t end, Visit visit) {
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t) {
    const auto& table = store.mapping().cells(static_cast<arena::CellTable>(t));
    const uint32_t words = commit::kTableWords[t];
    const uint64_t step = commit::units_of(words);
    uint64_t cell = begin > table.first_unit ? (begin - table.first_unit + step - 1) / step : 0;
    for (; cell < table.count && table.first_unit + cell * step < end; ++cell)
      visit(table.first_unit + cell * step, words, t);
  }
}

// A version behind the position, of a commit that there was: the cell has changed since. Any other
// version is damage, and is summed as it is.
bool has_changed_since(const commit::Store& store, uint64_t version, Position position) {
  const Position changed{version};
  return changed > position && changed.lsn() > position.lsn() &&
         changed.lsn() < log::log_end(store);
}

struct BlockScan {
  uint64_t changed = 0;  // behind the position, as DigestBlock::left_out
  PlaceSums sums;        // of all cells but those that are left out
};

// `left_out`: nothing: those that have changed.
BlockScan scan_block(const commit::Store& store, uint64_t first_unit, Position position,
                     std::optional<uint64_t> left_out) {
  BlockScan scan;
  PlaceSummer summer;
  for_each_cell(store, first_unit, first_unit + kDigestBlockUnits,
                [&](uint64_t unit, uint32_t words, uint32_t) {
                  const auto at = static_cast<uint32_t>(unit - first_unit);
                  if (left_out && *left_out >> at & 1) return;
                  commit::CellImage image;
                  commit::peek_cell(store, unit, words, image);
                  if (has_changed_since(store, image.version, position)) {
                    scan.changed |= uint64_t{1} << at;
                    if (!left_out && !base::mutated(base::Mutant::digest_keeps_changed)) return;
                  }
                  uint32_t place = at * kUnitWords;
                  summer.add(place++, image.version);
                  summer.add(place++, store.cell(unit).word_count.load_relaxed());
                  for (uint32_t i = 0; i < words; ++i) {
                    summer.add(place++, image.value[i]);
                    summer.add(place++, image.word_version[i]);
                  }
                });
  scan.sums = summer.sums();
  return scan;
}

}  // namespace

uint64_t unit_behind(const Digest& digest) {
  return digest.first_unit + digest.blocks.size() * kDigestBlockUnits;
}

Digest Digests::make(const commit::Store& store, EntrySource& entries, const DigestPlan& plan) {
  Digest digest{.term = plan.term,
                .number = plan.number,
                .index = plan.index,
                .position = plan.position,
                .first_unit = plan.first_unit < store.units() ? plan.first_unit : 0,
                .blocks = {}};
  entries_.take(entries, plan.index);
  digest.entries_before = entries_.run_before(plan.index);
  digest.entries = entries_.between(digest.entries_before, plan.index).value_or(PlaceSums{});
  while (digest.blocks.size() < plan.blocks && unit_behind(digest) < store.units()) {
    const BlockScan scan = scan_block(store, unit_behind(digest), plan.position, std::nullopt);
    digest.blocks.push_back({scan.changed, scan.sums});
  }
  if (base::mutated(base::Mutant::digest_keeps_changed))
    for (DigestBlock& block : digest.blocks) block.left_out = 0;
  return digest;
}

Comparison Digests::compare(const commit::Store& store, EntrySource& entries,
                            const Digest& digest) {
  Comparison result{.answer = {.term = digest.term, .number = digest.number, .sums = {}},
                    .divergence = {}};
  result.divergence.position = digest.position, result.divergence.index = digest.index;
  DigestAnswer& answer = result.answer;
  const auto note = [&](uint8_t what, const PlaceSums& sums, const Divergence& divergence) {
    if (answer.differing != DigestAnswer::kNothing) return;
    answer.differing = what, answer.sums = sums, result.divergence = divergence;
    result.divergence.position = digest.position, result.divergence.index = digest.index;
  };
  entries_.take(entries, digest.index);
  if (const auto own = entries_.between(digest.entries_before, digest.index)) {
    answer.are_entries_equal = *own == digest.entries;
    if (!answer.are_entries_equal)
      note(DigestAnswer::kEntries, *own,
           locate_entries(digest.entries_before, digest.index, digest.entries, *own));
  }
  for (uint32_t b = 0; b < digest.blocks.size(); ++b) {
    const uint64_t first = digest.first_unit + uint64_t{b} * kDigestBlockUnits;
    const DigestBlock& block = digest.blocks[b];
    const BlockScan scan = scan_block(store, first, digest.position, block.left_out);
    if (scan.sums == block.sums)
      answer.equal |= uint64_t{1} << b;
    else if (scan.changed == 0)
      note(static_cast<uint8_t>(b), scan.sums, locate_cells(first, block.sums, scan.sums));
  }
  return result;
}

// --- places ---

Divergence locate_cells(uint64_t first_unit, const PlaceSums& expected, const PlaceSums& found) {
  // A cell belongs to the block in which it begins.
  constexpr uint64_t kUnitsMax = kDigestBlockUnits + commit::units_of(kCellWordsMax) - 1;
  const auto place = differing_place(expected, found);
  if (!place || *place >= kUnitsMax * kUnitWords)
    return {.kind = Divergence::Kind::cells,
            .first = first_unit,
            .last = first_unit + kDigestBlockUnits - 1};
  const uint64_t unit = first_unit + *place / kUnitWords;
  return {.kind = Divergence::Kind::word,
          .first = unit,
          .last = unit,
          .offset = static_cast<uint32_t>(*place % kUnitWords)};
}

Divergence locate_entries(uint64_t before, uint64_t index, const PlaceSums& expected,
                          const PlaceSums& found) {
  const auto place = differing_place(expected, found);
  if (place && *place > before && *place <= index)
    return {.kind = Divergence::Kind::entry, .first = *place, .last = *place};
  return {.kind = Divergence::Kind::entries, .first = before + 1, .last = index};
}

namespace {

struct Place {
  std::string cell;
  uint64_t unit = 0;  // where the cell begins
};
// The first cell that has one of these units.
Place find_cell(const commit::Store& store, uint64_t first, uint64_t last) {
  Place place;
  const uint64_t reach = commit::units_of(kCellWordsMax) - 1;
  for_each_cell(store, first > reach ? first - reach : 0, last + 1,
                [&](uint64_t unit, uint32_t words, uint32_t table) {
                  if (!place.cell.empty() || unit + commit::units_of(words) <= first) return;
                  const auto& extent = store.mapping().cells(static_cast<arena::CellTable>(table));
                  const uint64_t number = (unit - extent.first_unit) / commit::units_of(words);
                  place = {std::string(kTableNames[table]) + " " + std::to_string(number), unit};
                });
  return place;
}

}  // namespace

std::string Divergence::where(const commit::Store& store) const {
  const auto number = [](uint64_t n) { return std::to_string(n); };
  if (kind == Kind::entry) return "log entry " + number(first);
  if (kind == Kind::entries) return "log entries " + number(first) + " to " + number(last);
  const Place place = find_cell(store, first, last);
  if (kind == Kind::cells)
    return place.cell + " and on (units " + number(first) + " to " + number(last) +
           "), several words";
  const uint64_t at = (first - place.unit) * kUnitWords + offset;
  const std::string unit = " (unit " + number(place.unit) + ")";
  if (at < 2) return place.cell + (at == 0 ? ", state" : ", word count") + unit;
  return place.cell + ", word " + number(at / 2 - 1) + (at % 2 ? ", version" : ", value") + unit;
}

}  // namespace casbook::replicate
