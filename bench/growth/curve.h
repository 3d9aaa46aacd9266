// What is measured: a curve is a picture, a series a line in it, a point one size.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "histogram.h"

namespace casbook::growth {

using bench::Histogram;

struct Point {
  double x = 0;
  std::vector<double> ns{};  // of one operation, by repeat
  Histogram latencies{};     // of single calls, where they were timed
  // What may explain it, by name: counts per operation, bytes, shares.
  std::vector<std::pair<std::string, double>> also{};
  std::string why{};  // it was not measured
};

struct Series {
  std::string name;
  std::vector<Point> points{};
};

struct Curve {
  std::string name;   // for --only and for files
  std::string title;  // of the table and the picture
  std::string x, y;   // what the axes say
  std::vector<Series> series{};
};

// How much is done.
struct Effort {
  bool is_tiny = false;
  uint32_t repeats = 7;
  uint64_t operations = 100'000;       // of a repeat
  int64_t round_ns = 60'000'000;       // of processes at the same time
  uint64_t payments = 4'000'000;       // ids a book has room for, where that is not what grows
  // Where several pay into a window of 1 s: what two cores can pay in it. Each of hundreds maps it.
  uint64_t payments_less = 2'500'000;

  static Effort tiny() {
    return {.is_tiny = true,
            .repeats = 2,
            .operations = 500,
            .round_ns = 3'000'000,
            .payments = 100'000,
            .payments_less = 200'000};
  }
  // Of some sizes: those that a test run has time for.
  std::vector<uint64_t> sizes(std::vector<uint64_t> all, uint64_t tiny_max) const {
    if (is_tiny) std::erase_if(all, [&](uint64_t size) { return size > tiny_max; });
    return all;
  }
};

// One function for each curve.
Curve accounts_curve(const Effort& effort);
Curve ids_curve(const Effort& effort);
Curve sessions_curve(const Effort& effort);
Curve postings_curve(const Effort& effort);
Curve hot_curve(const Effort& effort);
Curve wide_curve(const Effort& effort);
Curve snapshot_curve(const Effort& effort);
Curve readers_curve(const Effort& effort);
Curve followers_curve(const Effort& effort);

}  // namespace casbook::growth
