// From the limits that a caller gives to the regions and tables of an arena.
#pragma once

#include <casbook/book.h>

#include "arena/arena.h"

namespace casbook::api {

// `hash_seed`: given where several arenas have to be equal; else random. Errors: bad_argument, naming
// the limit and its range.
Result<arena::CreateRequest> plan_arena(std::string_view name, const CreateOptions& options,
                                        std::optional<uint64_t> hash_seed = {});

}  // namespace casbook::api
