// Book time: the wall clock in ms, made monotone by what commits have already seen.
// A step back of the clock therefore stops book time until the clock has caught up.
#pragma once

#include "commit/store.h"

namespace casbook::book {

// Cost: one coarse clock read and one load; a CAS once per clock tick.
int64_t book_time_ms(const commit::Store& store);

}  // namespace casbook::book
