// What perf_driver can run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "window.h"

namespace casbook::perf {

using Operation = std::function<void()>;

// One caller, one operation after the other, in a book in memory that nobody else uses.
struct OneCaller {
  uint64_t accounts;
  // Makes the book, with room for so many payments.
  std::function<Operation(uint64_t payments)> prepare;
  uint64_t together = 1;  // how many calls of the operation do one piece of work: a batch
};
const std::map<std::string, OneCaller>& scenarios_of_one();

// Several at once, or with daemons; each opens the window when all is set up, and prints its rate.
using Crowd = std::function<void(double seconds, bool is_tiny, Window& window)>;
const std::map<std::string, Crowd>& scenarios_of_many();

}  // namespace casbook::perf
