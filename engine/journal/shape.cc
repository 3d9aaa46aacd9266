#include "journal/shape.h"

#include <cerrno>
#include <cstring>

#include "arena/header.h"

namespace casbook::journal {

Result<BookShape> shape_of(const arena::Mapping& mapping) {
  struct stat status;
  if (stat(mapping.path().c_str(), &status) != 0)
    return arena::os_error(errno, "stat", mapping.path());
  return BookShape{.header = mapping.header(),
                   .owner = status.st_uid,
                   .group = status.st_gid,
                   .mode = status.st_mode & 0777,
                   .reserved = {}};
}

Result<arena::CreateRequest> request_of(const BookShape& shape, const std::string& directory) {
  const arena::FixedHeader& header = shape.header;
  if (auto checked = arena::check_header(header, sizeof header, header.file_bytes); !checked)
    return checked.error();
  arena::CreateRequest request;
  request.directory = directory;
  const auto* name = reinterpret_cast<const char*>(header.book_name);
  request.name = std::string(name, strnlen(name, sizeof header.book_name));
  request.geometry = header.geometry;
  for (uint32_t r = 0; r < arena::kRegionCount; ++r)
    request.region_bytes[r] = header.regions[r].bytes;
  for (uint32_t t = 0; t < arena::kCellTableCount; ++t)
    request.cell_tables[t] = header.cell_tables[t];
  request.owner = shape.owner;
  request.group = shape.group;
  request.mode = shape.mode;
  return request;
}

}  // namespace casbook::journal
