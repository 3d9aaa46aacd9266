// Book's inside: the view of the book that it shares with its sessions and readers.
#pragma once

#include <casbook/book.h>

#include "api/core.h"

namespace casbook {

struct Book::Impl {
  explicit Impl(std::shared_ptr<api::Core> shared) : core(std::move(shared)) {}
  std::shared_ptr<api::Core> core;
};

}  // namespace casbook
