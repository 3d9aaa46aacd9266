// What the link between two hosts carries by one TCP stream, without anything around it.
#pragma once

#include "support/hosts/hosts.h"

namespace casbook::bench {

// Bytes per second from host 1 to host 2, over so long. 0: it could not be had.
double raw_link_rate(const test_support::Hosts& hosts, double seconds);

}  // namespace casbook::bench
