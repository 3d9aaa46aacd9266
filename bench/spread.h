// What is said of repeats: their median, and how far they lie apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace casbook::bench {

struct Spread {
  double median = 0, min = 0, max = 0, mad = 0;  // mad: median distance from the median
};

// All zero where there are none.
inline Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  const auto median = [](std::vector<double>& of) {
    std::sort(of.begin(), of.end());
    const size_t half = of.size() / 2;
    return of.size() % 2 ? of[half] : (of[half - 1] + of[half]) / 2;
  };
  Spread spread;
  spread.median = median(values);
  spread.min = values.front();
  spread.max = values.back();
  for (double& value : values) value = std::abs(value - spread.median);
  spread.mad = median(values);
  return spread;
}

}  // namespace casbook::bench
