// Which lane payments begin in, and how many were made in the slow one. A test of the slow lane
// says both: left to itself, only a payment that has lost three times gets there.
#pragma once

#include <initializer_list>

#include <casbook/casbook.h>

#include "base/probe.h"

namespace casbook::test_support {

// From now on payments of so many accounts begin in the slow lane and all others in the fast one,
// in this process and in its children. `Restored` puts it back.
inline void begin_slow(std::initializer_list<uint32_t> account_counts) {
  base::tuning.begin_slow = 0;
  for (const uint32_t count : account_counts) base::tuning.begin_slow |= 1u << count;
}

// So many payments were executed in the slow lane, or refused there for want of money or of room.
inline uint64_t made_slow(const Book& book) { return book.activity().slow_lane; }

}  // namespace casbook::test_support
