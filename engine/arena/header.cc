#include "arena/header.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <sys/random.h>

#include "arena/arena.h"
#include "arena/attachment.h"
#include "arena/event.h"
#include "base/clock.h"
#include "base/hash.h"

namespace casbook::arena {
namespace {

constexpr uint64_t kUnitBytes = 64;  // of cells

Error error_with(Code code, std::string detail) {
  return Error{.code = code, .detail = std::move(detail)};
}

uint64_t round_up(uint64_t bytes, uint64_t granule) {
  return (bytes + granule - 1) / granule * granule;
}

// What a region of this layer has to hold; 0 for the regions of others, who check their own.
uint64_t bytes_needed(Region region, const Geometry& geometry) {
  switch (region) {
    case Region::attachments:
      return geometry.attachments * sizeof(AttachmentSlot);
    case Region::sessions:
      return geometry.sessions * sizeof(SessionSlot);
    case Region::events:
      return (kEventLines + kOwnEvents) * sizeof(EventLine);
    default:
      return 0;
  }
}

const char* region_fault(const FixedHeader& header) {
  uint64_t end = kPageBytes;
  for (uint32_t i = 0; i < kRegionCount; ++i) {
    const RegionExtent& extent = header.regions[i];
    if (extent.offset % kPageBytes != 0) return "a region does not begin on a page";
    if (extent.offset < end) return "regions overlap";
    if (extent.offset > header.file_bytes) return "a region begins outside the file";
    if (extent.bytes > header.file_bytes - extent.offset) return "a region ends outside the file";
    if (extent.bytes < bytes_needed(static_cast<Region>(i), header.geometry))
      return "a region is too small";
    end = extent.offset + extent.bytes;
  }
  return nullptr;
}

// How large a cell is belongs to the layer that owns the table, and it checks the table's end;
// here: no cell is smaller than a unit.
const char* cell_table_fault(const FixedHeader& header) {
  const uint64_t units = header.regions[static_cast<uint32_t>(Region::cells)].bytes / kUnitBytes;
  for (const CellTableExtent& table : header.cell_tables) {
    if (table.first_unit > units) return "a cell table begins outside its region";
    if (table.count > units - table.first_unit) return "a cell table ends outside its region";
  }
  return nullptr;
}

// Null when every number of the header can be relied on.
const char* fault_of(const FixedHeader& header) {
  if (header.header_bytes != sizeof(FixedHeader)) return "the size of the header is wrong";
  if (header.file_bytes > kFileBytesMax) return "the size of the file is impossible";
  if (header.file_bytes % kPageBytes != 0) return "the size of the file is not a number of pages";
  if (header.geometry.attachments > kAttachmentsMax) return "too many attachments";
  if (header.geometry.sessions > kSessionsMax) return "too many sessions";
  if (const char* fault = region_fault(header)) return fault;
  return cell_table_fault(header);
}

// Returns the end of the last region; nothing when the sum leaves what a file may have.
std::optional<uint64_t> place_regions(const CreateRequest& request, FixedHeader& header) {
  uint64_t end = kPageBytes;
  for (uint32_t i = 0; i < kRegionCount; ++i) {
    const uint64_t bytes =
        std::max(request.region_bytes[i], bytes_needed(static_cast<Region>(i), request.geometry));
    if (bytes > kFileBytesMax - end) return std::nullopt;
    header.regions[i] = {.offset = end, .bytes = round_up(bytes, kPageBytes)};
    end += header.regions[i].bytes;
  }
  return end;
}

uint64_t random_word() {
  uint64_t word = 0;
  // Up to 256 bytes come whole once the kernel's pool is seeded; before that the call waits.
  while (word == 0)
    if (getrandom(&word, sizeof word, 0) != sizeof word) word = 0;
  return word;
}

}  // namespace

uint64_t checksum_of(const FixedHeader& header) {
  return base::hash_bytes(&header, offsetof(FixedHeader, checksum));
}

Result<FixedHeader> lay_out(const CreateRequest& request, uint64_t granule) {
  if (request.geometry.attachments > kAttachmentsMax || request.geometry.sessions > kSessionsMax)
    return error_with(Code::bad_argument, "too many attachments or sessions");
  FixedHeader header{};
  const std::optional<uint64_t> end = place_regions(request, header);
  if (!end) return error_with(Code::bad_argument, "the book would be larger than 64 TiB");

  header.magic = kMagic;
  header.format_version = kFormatVersion;
  header.header_bytes = sizeof(FixedHeader);
  header.file_bytes = round_up(*end, granule);
  header.incarnation = random_word();
  header.created_ms = static_cast<uint64_t>(base::wall_clock_ms());
  std::memcpy(header.book_name, request.name.data(),
              std::min<size_t>(request.name.size(), kBookNameBytesMax));
  header.geometry = request.geometry;
  std::copy(std::begin(request.cell_tables), std::end(request.cell_tables), header.cell_tables);
  header.checksum = checksum_of(header);
  if (const char* fault = fault_of(header)) return error_with(Code::bad_argument, fault);
  return header;
}

Result<void> check_header(const FixedHeader& header, uint64_t bytes_read, uint64_t file_bytes) {
  if (bytes_read < offsetof(FixedHeader, header_bytes) || header.magic != kMagic)
    return error_with(Code::foreign_file, "the file does not begin as a book does");
  if (header.format_version != kFormatVersion) {
    const bool is_older = header.format_version < kFormatVersion;
    return error_with(is_older ? Code::format_older : Code::format_newer,
                      "format " + std::to_string(header.format_version) + ", this program knows " +
                          std::to_string(kFormatVersion));
  }
  if (bytes_read < sizeof(FixedHeader))
    return error_with(Code::truncated, "the file ends inside its header");
  if (header.checksum != checksum_of(header))
    return error_with(Code::damaged, "the checksum of the header does not fit");
  if (const char* fault = fault_of(header)) return error_with(Code::damaged, fault);
  if (file_bytes == header.file_bytes) return {};
  return error_with(
      file_bytes < header.file_bytes ? Code::truncated : Code::damaged,
      std::to_string(file_bytes) + " bytes, the header says " + std::to_string(header.file_bytes));
}

}  // namespace casbook::arena
