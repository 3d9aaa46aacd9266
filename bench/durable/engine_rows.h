// casbook's own durable path beside its floors.
#pragma once

#include <string>

#include "durable/effort.h"
#include "served/place.h"
#include "served/served_book.h"
#include "table.h"

namespace casbook::bench {

constexpr uint32_t kCallers = 4;
constexpr uint64_t kInFlight = 1024;  // payments of each caller

// The floors alone, where there is no daemon to compare with.
void add_floor_rows(const Place& place, const Effort& effort, Table& table);

// {what, floor, casbook, ratio, aim, verdict}; the book is served and filled.
void add_one_caller_rows(const Place& place, const Effort& effort, ServedBook& book, Table& table);
void add_group_rows(const Place& place, const Effort& effort, ServedBook& book, Table& table);
void add_follower_rows(const Effort& effort, ServedBook& book, Table& table);

}  // namespace casbook::bench
