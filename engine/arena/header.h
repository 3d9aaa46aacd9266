// The fixed header: laid out by create(), checked by attach(). Pure functions of bytes; the file
// itself is opened and measured elsewhere.
//
//  offset  bytes  field            who reads it
//       0      8  magic            attach, first
//       8      4  format_version   attach, second: what follows has a meaning only when it is ours
//      12      4  header_bytes
//      16      8  file_bytes       attach: against the size of the file
//      24      8  incarnation      lease: who may declare an owner dead
//      32      8  created_ms       people
//      40     64  book_name        people; zero-filled
//     104     96  geometry         every layer
//     200    160  regions          Mapping::region
//     360    112  cell_tables      the owners of the tables
//     472      8  checksum         attach, before it believes any number above
#pragma once

#include <cstdint>
#include <string>

#include <casbook/result.h>

#include "arena/layout.h"

namespace casbook::arena {

struct CreateRequest;

// The largest file that create() lays out: 64 TiB, half of what 47 bits of address can map.
constexpr uint64_t kFileBytesMax = uint64_t{1} << 46;

uint64_t checksum_of(const FixedHeader& header);

// Regions follow one another from page 1, each rounded up to pages; the file is rounded up to
// `granule` (the file system's page: 4 KiB, or 2 MiB where it gives huge ones). The regions of the
// arena layer itself are made at least as large as the geometry needs. bad_argument.
Result<FixedHeader> lay_out(const CreateRequest& request, uint64_t granule);

// `bytes_read` bytes of the file's beginning stand in `header`; the file has `file_bytes`.
// Errors in this order: foreign_file, format_older, format_newer, truncated (in the header),
// damaged (checksum, extents), truncated (against its own size), damaged (longer than that).
Result<void> check_header(const FixedHeader& header, uint64_t bytes_read, uint64_t file_bytes);

}  // namespace casbook::arena
