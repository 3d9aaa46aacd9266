// What a payment takes when nobody is struck.
#pragma once

#include "peers/design.h"

namespace casbook::torture {

// Of one caller alone, to and fro between two accounts; 0: it could not be measured.
int64_t cost_of_payment_ns(peers::Design& design, uint32_t a, uint32_t b);

}  // namespace casbook::torture
