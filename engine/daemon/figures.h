// What the metrics say of a book, from one look at it.
#pragma once

#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include <casbook/book.h>

#include "arena/arena.h"

namespace casbook::daemon {

// Every figure bears the label book=`book`. Those of a cluster are there where one keeps the book.
std::vector<prometheus::MetricFamily> figures_of(const std::string& book,
                                                 const BookActivity& activity,
                                                 const arena::Mapping& mapping);

}  // namespace casbook::daemon
