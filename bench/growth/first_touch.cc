#include "growth/first_touch.h"

#include <cstdio>
#include <fstream>
#include <string>

#include <sys/mman.h>

#include "floor.h"

namespace casbook::growth {

void touch_book(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t first = 0, end = 0;
    char rights[5] = {};
    const bool is_of_book = line.ends_with(name) || line.ends_with(name + " (deleted)");
    if (!is_of_book || std::sscanf(line.c_str(), "%lx-%lx %4s", &first, &end, rights) != 3 ||
        rights[1] != 'w')
      continue;
    bench::touch_for_writing(reinterpret_cast<std::byte*>(first), end - first);
    (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTFORK);
  }
}

}  // namespace casbook::growth
