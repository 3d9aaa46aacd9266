// Which positions this log holds. A term ends where the next one begins; what an ended term had
// claimed beyond that was undone: a recovery from disk, or another leader, began its own there.
#pragma once

#include "commit/store.h"

namespace casbook::log {

enum class Standing {
  held,     // this log has it, or will have it if it is not there yet
  undone,   // this log has another commit there, or never had that term
  unknown,  // of a term that ended more than 64 terms ago
};

Standing standing_of(const commit::Store& store, Position position);

}  // namespace casbook::log
