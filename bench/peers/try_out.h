// That a design does the job, before it is timed or tortured.
#pragma once

#include <string>

#include "peers/design.h"

namespace casbook::peers {

// Pays, repeats, overdraws and audits on a design that was just started, by a caller connected
// here. What it does wrong; empty: nothing. Takes the ids 1 to 3 and the accounts 0 to 2.
std::string try_out(Design& design);

}  // namespace casbook::peers
