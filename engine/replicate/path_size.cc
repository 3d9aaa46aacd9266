#include "replicate/path_size.h"

#include <algorithm>
#include <array>

#include "base/probe.h"

namespace casbook::replicate {

namespace {

// UDP's share of what paths carry: jumbo frames of two kinds, Ethernet, PPPoE, tunnels, the least
// of IPv6, the least that is configured.
constexpr std::array<uint32_t, 8> kSizes{8972, 4324, 2020, 1472, 1452, 1372, 1252, 548};

}  // namespace

void PathSize::begin(uint32_t bytes_max, int64_t now_ns) {
  *this = {};
  bytes_max_ = bytes_ = bytes_max;
  raise_ns_ = now_ns + kRaiseNs;
  if (bytes_max > kSizes.back()) due_ns_ = now_ns;
}

void PathSize::tick(int64_t now_ns, int64_t round_trip_ns, int64_t heard_ns, const Send& send) {
  if (now_ns < due_ns_) return;
  if (is_waiting_) judge(now_ns, heard_ns);
  if (now_ns < due_ns_) return;
  const bool must_raise = bytes_ < bytes_max_ && raise_ns_ <= now_ns;
  if (must_raise) raise_ns_ = now_ns + kRaiseNs;
  const auto probe = [&](uint32_t bytes) {
    const bool is_wanted = bytes == bytes_ || (bytes > bytes_ ? must_raise : is_searching_);
    for (uint32_t i = 0; is_wanted && i < (is_searching_ ? kProbesEach : 1); ++i) send(bytes);
  };
  probe(bytes_max_);
  for (const uint32_t bytes : kSizes)
    if (bytes < bytes_max_) probe(bytes);
  is_waiting_ = true, largest_answered_ = 0, sent_ns_ = now_ns;
  due_ns_ = now_ns + std::max(kAnswerNs, 4 * round_trip_ns);
}

// What came of the probes that were sent last.
void PathSize::judge(int64_t now_ns, int64_t heard_ns) {
  is_waiting_ = false;
  if (largest_answered_ >= bytes_ || (is_searching_ && largest_answered_ != 0))
    return settle(largest_answered_, now_ns);
  // A peer that says nothing at all is away, or everything is lost: that tells nothing of sizes.
  if (heard_ns <= sent_ns_) {
    due_ns_ = now_ns + kEveryNs;
    return;
  }
  is_searching_ = ++misses_ >= kMissesMax;
}

void PathSize::settle(uint32_t bytes, int64_t now_ns) {
  if (bytes < bytes_ && base::mutated(base::Mutant::transport_never_narrows)) bytes = bytes_;
  if (bytes < bytes_) raise_ns_ = now_ns + kRaiseNs;
  bytes_ = bytes;
  is_searching_ = false, misses_ = 0;
  due_ns_ = bytes_ < bytes_max_ ? std::min(now_ns + kEveryNs, raise_ns_) : now_ns + kEveryNs;
}

// Only of what may have been asked: it is another host's number.
void PathSize::answered(uint32_t bytes) {
  const bool is_size = std::ranges::find(kSizes, bytes) != kSizes.end() && bytes < bytes_max_;
  if (is_size || bytes == bytes_max_) largest_answered_ = std::max(largest_answered_, bytes);
}

void PathSize::suspect(int64_t now_ns) {
  if (due_ns_ == INT64_MAX || is_waiting_) return;
  due_ns_ = std::min(due_ns_, std::max(now_ns, sent_ns_ + kSuspectNs));
}

void PathSize::refused(uint32_t bytes, int64_t now_ns) {
  if (due_ns_ == INT64_MAX || bytes > bytes_) return;  // a probe of a larger one
  const auto smaller = std::ranges::find_if(kSizes, [&](uint32_t size) { return size < bytes; });
  if (smaller == kSizes.end()) return;
  bytes_ = *smaller;
  raise_ns_ = now_ns + kRaiseNs;
  is_waiting_ = false, is_searching_ = true;
  due_ns_ = now_ns;
}

}  // namespace casbook::replicate
