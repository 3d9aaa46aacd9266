// The first touch of each page of a book by this process, so that it is not timed.
//
// Attaching enters all pages into the page table, so no page fault is left. But a hypervisor that
// keeps page tables of its own enters a page when a process first touches it, which no counter
// inside the machine shows: 6 to 20 us for each page and process on the machine of README.md.
#pragma once

#include <string>

namespace casbook::growth {

// Changes nothing: adds 0 to a word of each page. Children do not inherit what was touched: they
// attach for themselves.
void touch_book(const std::string& name);

}  // namespace casbook::growth
