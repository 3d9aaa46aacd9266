// casbook and the others, each payment durable when it is answered, on the same disk.
#pragma once

#include "durable/effort.h"
#include "served/place.h"
#include "table.h"

namespace casbook::bench {

// {system, p50, its ratio to the floor, p99, its ratio, payments per second by 1 caller, by 4}
void add_peer_rows(const Place& place, const Effort& effort, Table& table);

}  // namespace casbook::bench
