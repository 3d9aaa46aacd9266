#include "support/history_times.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace casbook::test_support {
namespace {

bool is_answered(const HistoryCall& call) {
  return call.end == CallEnd::done || call.end == CallEnd::denied;
}
// A read as of a position may be as old as it likes.
bool shows_the_end(const HistoryCall& call) {
  return is_answered(call) && call.kind != CallKind::read_at;
}

}  // namespace

bool has_done_it(const HistoryCall& call) {
  return is_answered(call) && !call.is_replayed &&
         (call.kind == CallKind::pay || call.kind == CallKind::acquire ||
          call.kind == CallKind::release || call.kind == CallKind::renew ||
          call.kind == CallKind::reenter);
}

HistoryTimes::HistoryTimes(const std::vector<HistoryCall>& calls)
    : before_(calls.size(), 0), behind_(calls.size(), std::numeric_limits<uint64_t>::max()) {
  std::vector<size_t> by_call(calls.size());
  std::iota(by_call.begin(), by_call.end(), size_t{0});
  std::sort(by_call.begin(), by_call.end(),
            [&](size_t a, size_t b) { return calls[a].called_ns < calls[b].called_ns; });
  find_before(calls, by_call);
  find_behind(calls, by_call);
}

void HistoryTimes::find_before(const std::vector<HistoryCall>& calls,
                               const std::vector<size_t>& by_call) {
  std::vector<size_t> by_return = by_call;
  std::erase_if(by_return, [&](size_t i) { return !shows_the_end(calls[i]); });
  std::sort(by_return.begin(), by_return.end(),
            [&](size_t a, size_t b) { return calls[a].returned_ns < calls[b].returned_ns; });
  size_t returned = 0;
  uint64_t newest = 0;
  for (const size_t i : by_call) {
    for (; returned < by_return.size(); ++returned) {
      const HistoryCall& earlier = calls[by_return[returned]];
      if (earlier.returned_ns >= calls[i].called_ns) break;
      newest = std::max(newest, earlier.position);
    }
    before_[i] = newest;
  }
}

void HistoryTimes::find_behind(const std::vector<HistoryCall>& calls,
                               const std::vector<size_t>& by_call) {
  // lowest[i]: of what the i-th call and those that began later have done.
  std::vector<uint64_t> lowest(calls.size() + 1, std::numeric_limits<uint64_t>::max());
  for (size_t i = calls.size(); i-- > 0;) {
    const HistoryCall& call = calls[by_call[i]];
    lowest[i] = has_done_it(call) ? std::min(lowest[i + 1], call.position - 1) : lowest[i + 1];
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto later =
        std::upper_bound(by_call.begin(), by_call.end(), calls[i].returned_ns,
                         [&](int64_t time, size_t other) { return time < calls[other].called_ns; });
    behind_[i] = lowest[static_cast<size_t>(later - by_call.begin())];
  }
}

}  // namespace casbook::test_support
