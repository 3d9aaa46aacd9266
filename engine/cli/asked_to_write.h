// What is said to somebody who wants to change a book that follows another host's.
#pragma once

#include <casbook/book.h>

namespace casbook::cli {

// `error`, or not_leader with who leads, where something was missing in a book that follows: the
// leader may have it.
Error asked_to_write(const Book& book, const Error& error);

}  // namespace casbook::cli
