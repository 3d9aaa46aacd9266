// The demo's latency histogram: quantiles from above, within 1/64.
#include "cli/demo/histogram.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "support/random.h"

namespace casbook::cli::demo {
namespace {

TEST(DemoHistogram, IsEmptyAtFirst) {
  const auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(histogram->count(), 0);
  EXPECT_EQ(histogram->quantile_ns(0.5), 0);
}

TEST(DemoHistogram, QuantilesAreAtMostOneSixtyFourthTooHigh) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::Random random(seed);
    const auto histogram = std::make_unique<Histogram>();
    std::vector<uint64_t> values;
    for (int i = 0; i < 10'000; ++i) values.push_back(random.next() >> (24 + random.below(40)));
    for (const uint64_t value : values) histogram->record(value);
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const uint64_t exact = values[static_cast<size_t>(q * 9'999)];
      EXPECT_GE(histogram->quantile_ns(q), exact) << "q " << q << ", seed " << seed;
      EXPECT_LE(histogram->quantile_ns(q), exact + exact / 64) << "q " << q << ", seed " << seed;
    }
  }
}

TEST(DemoHistogram, AddsUpTheCountsOfOthers) {
  const auto one = std::make_unique<Histogram>(), other = std::make_unique<Histogram>();
  for (uint64_t i = 0; i < 100; ++i) one->record(10), other->record(1'000'000);
  one->add(*other);
  EXPECT_EQ(one->count(), 200);
  EXPECT_EQ(one->quantile_ns(0.49), 10);
  EXPECT_GE(one->max_ns(), 1'000'000);
}

TEST(DemoHistogram, WhatIsTooLongCountsAsTheLongest) {
  const auto histogram = std::make_unique<Histogram>();
  histogram->record(UINT64_MAX);
  EXPECT_EQ(histogram->max_ns(), (uint64_t{1} << HistogramScale::kBitsMax) - 1);
}

}  // namespace
}  // namespace casbook::cli::demo
