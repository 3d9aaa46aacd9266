// The first touch of each page of a book by this process, so that it is not timed.
//
// Attaching enters all pages into the page table, so no page fault is left. But a hypervisor that
// keeps page tables of its own enters a page when a process first touches it, which no counter
// inside the machine shows: 6 to 20 us for each page and process on the machine of growth/README.md.
#pragma once

#include <cstdio>
#include <fstream>
#include <string>

#include <sys/mman.h>

#include "floor.h"

namespace casbook::bench {

// Changes nothing: adds 0 to a word of each page. Children do not inherit what was touched: they
// attach for themselves.
inline void touch_book(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t first = 0, end = 0;
    char rights[5] = {};
    const bool is_of_book = line.ends_with(name) || line.ends_with(name + " (deleted)");
    if (!is_of_book || std::sscanf(line.c_str(), "%lx-%lx %4s", &first, &end, rights) != 3 ||
        rights[1] != 'w')
      continue;
    touch_for_writing(reinterpret_cast<std::byte*>(first), end - first);
    (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTFORK);
  }
}

}  // namespace casbook::bench
