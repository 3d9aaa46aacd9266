// That the judge sees what it is to see, before it is believed.
#pragma once

#include <string>

namespace casbook::torture {

// Bouts made up, each wrong in one way. What it said otherwise; empty: nothing.
std::string try_judge();

}  // namespace casbook::torture
