// A lease as a shell knows it: a name and a token.
#pragma once

#include <string>

#include <casbook/book.h>

namespace casbook::cli {

// Where nobody holds the name, the place is none, and whoever uses the lease is told
// `lease_missing`: a payment only after its id was looked up.
Lease lease_by_name(const Book& book, const std::string& name, Position token);

}  // namespace casbook::cli
