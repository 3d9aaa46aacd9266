// How much memory the system can give without swapping: MemAvailable of /proc/meminfo.
//
// A tmpfs is often as large as memory, so that the file of a book could be allocated and the
// machine killed by its first use; create() asks here before.
#pragma once

#include <cstdint>
#include <optional>

namespace casbook::arena {

// Nothing where /proc is not mounted; then only the allocation itself can tell.
std::optional<uint64_t> available_memory_bytes();

}  // namespace casbook::arena
