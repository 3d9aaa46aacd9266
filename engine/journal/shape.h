// What a book looks like: enough to build an empty one whose cells stand where records say.
#pragma once

#include <type_traits>

#include "arena/arena.h"

namespace casbook::journal {

// Kept in every segment and checkpoint. 512 bytes.
struct BookShape {
  arena::FixedHeader header;  // of the arena that the journal was begun with, or rebuilt last
  uint32_t owner, group, mode;
  uint32_t reserved[5];
};
static_assert(sizeof(BookShape) == 512 && offsetof(BookShape, owner) == 480);
static_assert(std::is_standard_layout_v<BookShape> && std::is_trivially_copyable_v<BookShape> &&
              std::has_unique_object_representations_v<BookShape>);

// Of a book that is there. io_error when its file cannot be looked at.
Result<BookShape> shape_of(const arena::Mapping& mapping);
// To build such a book anew. Errors: format_older, format_newer, damaged: this program cannot.
Result<arena::CreateRequest> request_of(const BookShape& shape, const std::string& directory);

}  // namespace casbook::journal
