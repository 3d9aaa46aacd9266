#include "replicated/rows.h"
namespace casbook::bench {
void add_casbook_rows(const Place& place, const Effort& effort, Table& table) {
  add_floor_rows(place, effort, "no cluster yet", table);
}
}  // namespace casbook::bench
