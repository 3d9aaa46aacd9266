// A small history, as the checker of linearizability takes it: answers and times, no positions.
#pragma once

#include <set>

#include "support/history.h"
#include "support/linearizability.h"

namespace casbook::test_support {

// `ended`: processes that have ended; what they held bound was free from some moment behind their
// last call on. Reads as of a position, and calls that were turned away, are left out.
// Precondition: at most two accounts beside the one without limits (`world`), and one lease.
std::vector<LinearCall> linear_calls(const std::vector<HistoryCall>& calls, uint32_t world,
                                     const std::set<uint32_t>& ended);

// Each call on a line, for a history that cannot have been.
std::string text_of(const std::vector<LinearCall>& calls);

}  // namespace casbook::test_support
