// A book of some size, what is done to it, and how that is timed.
#pragma once

#include <memory>

#include "cells.h"
#include "growth/curve.h"
#include "own_book.h"
#include "spread.h"

namespace casbook::growth {

using bench::must;
using bench::OwnBook;
using bench::Random;

struct Shape {
  uint64_t accounts = 1024;
  uint64_t payments = 4'000'000;
  std::chrono::milliseconds window = std::chrono::seconds(1);
  uint32_t sessions = 16;
  std::string directory = "/dev/shm";
};

inline CreateOptions options_of(const Shape& shape) {
  CreateOptions options =
      bench::book_options(shape.accounts + OwnBook::kAccountsMore, shape.payments);
  options.window = shape.window;
  options.sessions = shape.sessions;
  options.directory = shape.directory;
  return options;
}

// Opened, funded, and without its name.
inline std::unique_ptr<OwnBook> make_book(const Shape& shape) {
  auto own = std::make_unique<OwnBook>(bench::own_name(), shape.accounts, options_of(shape));
  (void)Book::destroy(own->name(), shape.directory);
  return own;
}

// For other processes to attach; the name goes with the last copy.
inline std::shared_ptr<OwnBook> share_book(const Shape& shape) {
  return {new OwnBook(bench::own_name(), shape.accounts, options_of(shape)),
          [directory = shape.directory](OwnBook* own) {
            (void)Book::destroy(own->name(), directory);
            delete own;
          }};
}

inline void expect(bool is_right, const char* what) {
  if (is_right) return;
  std::fprintf(stderr, "bench_growth: %s\n", what);
  std::exit(1);
}

// One payment of 1 between two accounts.
inline void pay_once(OwnBook& own, Random& random) {
  expect(static_cast<bool>(own.session().pay(own.payment(random))), "a payment was refused");
}

// ns of processor time of each of `count` calls: what others take of the machine is not counted.
template <class Operation>
double time_each(uint64_t count, Operation&& operation) {
  const int64_t start = bench::cpu_ns();
  for (uint64_t i = 0; i < count; ++i) operation();
  return static_cast<double>(bench::cpu_ns() - start) / static_cast<double>(count);
}

// By the wall clock, each call by itself.
template <class Operation>
void time_singly(uint64_t count, Histogram& latencies, Operation&& operation) {
  int64_t now = bench::now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t before = now;
    operation();
    now = bench::now_ns();
    latencies.add(now - before);
  }
}

// Random lines of a table of a book, each known only when the one before was read: what a cache
// miss and a page walk cost in a table of that size, on the pages that the book has.
class DependentLoads {
 public:
  DependentLoads(const OwnBook& own, const Shape& shape, bool is_of_ids)
      : cells_(own.name(), arena::Access::read_only, shape.directory),
        first_(is_of_ids ? cells_.tables().payments(0) : cells_.tables().account(0)),
        lines_(is_of_ids ? cells_.tables().payment_buckets() * kUnitsPerBucket
                         : cells_.tables().account_count()) {}

  uint64_t bytes() const { return lines_ * commit::kUnitBytes; }
  double ns(uint64_t count) {
    return time_each(count, [&] {
      const uint64_t index = random_.below(lines_) + (last_ >> 63);  // that is 0
      last_ = cells_.store().cell(first_ + index).words[0].lo.load_relaxed() >> 1;
    });
  }

 private:
  static constexpr uint64_t kUnitsPerBucket = 4;

  bench::Cells cells_;
  commit::Unit first_;
  uint64_t lines_;
  uint64_t last_ = 0;
  Random random_{9};
};

// A book that stays as small as it is: measured in turn with those that grow, it says what the
// machine did meanwhile.
class Control {
 public:
  explicit Control(const Effort& effort)
      : own_(make_book({.accounts = 1024, .payments = effort.payments})) {}
  double ns(uint64_t count) {
    return time_each(count, [&] { pay_once(*own_, random_); });
  }

 private:
  std::unique_ptr<OwnBook> own_;
  Random random_{8};
};

inline void add_median(Point& point, const char* name, const std::vector<double>& values) {
  point.also.emplace_back(name, bench::spread_of(values).median);
}

}  // namespace casbook::growth
