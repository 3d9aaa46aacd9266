// Book's inside: the view of the book that it shares with its sessions and readers.
#pragma once

#include <casbook/book.h>

#include "api/core.h"

namespace casbook {

struct Book::Impl {
  explicit Impl(std::shared_ptr<api::Core> shared) : core(std::move(shared)) {}
  std::shared_ptr<api::Core> core;
};

// Between a book and its view, for the daemon.
struct BookAccess {
  static Book wrap(std::shared_ptr<api::Core> core) {
    return Book(std::make_shared<Book::Impl>(std::move(core)));
  }
};

}  // namespace casbook
