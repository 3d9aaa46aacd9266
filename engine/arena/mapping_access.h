// Who makes a Mapping: create() and attach(), from an open file.
#pragma once

#include <memory>
#include <string>

#include "arena/arena.h"

namespace casbook::arena {

struct MappingAccess {
  // Maps the whole file as `header` describes it and enters every page into the page table.
  // The descriptor may be closed afterwards. no_memory, io_error.
  static Result<std::unique_ptr<Mapping>> map(const OsFile& file, const std::string& path,
                                              Access access, const FixedHeader& header);
  // For create(), which maps before there is a header.
  static void write_header(Mapping& mapping);
};

// Enters every page into the page table by reading it: for kernels without MADV_POPULATE_WRITE
// (before 5.14). On tmpfs a page that was read is writable without another fault.
void touch_pages(const std::byte* base, uint64_t bytes);

}  // namespace casbook::arena
