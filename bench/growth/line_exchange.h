// How far apart the two cores are.
#pragma once

namespace casbook::growth {

// ns that a line takes from core 0 to core 1, each waiting for the other's store. Where the cores
// are a hypervisor's it may change from one second to the next.
double line_exchange_ns();

}  // namespace casbook::growth
