#include "journal/rebuilt_cells.h"

namespace casbook::journal {

using arena::CellTable;

CellMap::CellMap(const arena::FixedHeader& header) {
  constexpr CellTable kByUse[] = {CellTable::payments,  CellTable::accounts, CellTable::profiles,
                                  CellTable::directory, CellTable::leases,   CellTable::ledgers,
                                  CellTable::book};
  static_assert(std::size(kByUse) == arena::kCellTableCount);
  for (size_t i = 0; i < std::size(kByUse); ++i) {
    const auto table = static_cast<uint32_t>(kByUse[i]);
    const arena::CellTableExtent& extent = header.cell_tables[table];
    const uint64_t step = commit::units_of(commit::kTableWords[table]);
    tables_[i] = {extent.first_unit, extent.count * step, step - 1, commit::kTableWords[table]};
  }
}

}  // namespace casbook::journal
