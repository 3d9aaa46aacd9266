#include "book/layout.h"

namespace casbook::book {

using arena::CellTable;

Tables::Tables(const commit::Store& store) {
  const arena::Mapping& mapping = store.mapping();
  book_ = mapping.cells(CellTable::book).first_unit;
  ledgers_ = mapping.cells(CellTable::ledgers).first_unit;
  directory_ = mapping.cells(CellTable::directory).first_unit;
  accounts_ = mapping.cells(CellTable::accounts).first_unit;
  profiles_ = mapping.cells(CellTable::profiles).first_unit;
  payments_ = mapping.cells(CellTable::payments).first_unit;
  ledger_count_ = mapping.cells(CellTable::ledgers).count;
  directory_buckets_ = mapping.cells(CellTable::directory).count;
  account_count_ = mapping.cells(CellTable::accounts).count;
  payment_buckets_ = mapping.cells(CellTable::payments).count;
}

}  // namespace casbook::book
