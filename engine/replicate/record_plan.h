// A record turned back into the write set whose commit leaves the same record.
//
//   record             write set
//   set, guard         the same, at the version that it had
//   add                the difference, bounded so that only the same old value passes
//   check              the same
//   deny               the same difference; a bound that was crossed on the side it names, none on
//                      the other
//
// So the commit succeeds where the cells are as they were on the leader, and nowhere else.
#pragma once

#include <span>
#include <string>

#include "commit/store.h"
#include "commit/write_set.h"

namespace casbook::replicate {

// `words` is one whole record (log::is_record). Empty: `set` is filled, and the cells are as the
// record found them. Else what is different, with the cell. Locked cells are not looked at.
std::string plan_record(const commit::Store& store, std::span<const uint64_t> words,
                        commit::WriteSet& set);

// The cells of a record that will be applied soon. `words` may be anything.
void prefetch_record(const commit::Store& store, std::span<const uint64_t> words);

}  // namespace casbook::replicate
