// What a daemon says of itself in the arena that it serves, and numbers nobody else has.
#pragma once

#include <string_view>

#include "arena/layout.h"

namespace casbook::daemon {

// Its process, when it began, and where the journal is.
void introduce_daemon(arena::JournalLines& lines, std::string_view journal_directory);
// Not 0. Blocking while the system has no randomness yet.
uint64_t random_number();

}  // namespace casbook::daemon
