#include "arena/available_memory.h"

#include <cstdlib>
#include <fstream>
#include <string>

namespace casbook::arena {

std::optional<uint64_t> available_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string line;
  const std::string label = "MemAvailable:";
  while (std::getline(file, line))
    if (line.starts_with(label)) return std::strtoull(&line[label.size()], nullptr, 10) * 1024;
  return std::nullopt;
}

}  // namespace casbook::arena
