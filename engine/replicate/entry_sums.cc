#include "replicate/entry_sums.h"

#include <algorithm>

#include "base/hash.h"

namespace casbook::replicate {

namespace {

constexpr uint64_t kSumsKept = 4 * EntrySums::kEntriesMax;

uint64_t hash_of(const LogEntry& entry) {
  const uint64_t seed = entry.term << 8 | static_cast<uint64_t>(entry.type);
  return base::hash_bytes(entry.body.data(), entry.body.size(), seed);
}

}  // namespace

void EntrySums::begin_behind(EntrySource& entries, uint64_t index) {
  sums_.assign(1, {.index = index, .term = entries.term_of(index), .sums = {}});
}

void EntrySums::take(EntrySource& entries, uint64_t index) {
  while (!sums_.empty() && entries.term_of(sums_.back().index) != sums_.back().term)
    sums_.pop_back();
  if (sums_.empty() || index > sums_.back().index + kSumsKept) return begin_behind(entries, index);
  for (uint64_t next = sums_.back().index + 1; next <= index; ++next) {
    const EntryPtr entry = entries.entry(next);
    if (!entry) return begin_behind(entries, index);
    sums_.push_back({next, entry->term, with(sums_.back().sums, next, hash_of(*entry))});
    if (sums_.size() > kSumsKept) sums_.pop_front();
  }
}

const EntrySums::Sum* EntrySums::find(uint64_t index) const {
  if (sums_.empty() || index < sums_.front().index || index > sums_.back().index) return nullptr;
  return &sums_[index - sums_.front().index];
}

uint64_t EntrySums::run_before(uint64_t index) const {
  return std::max(sums_.front().index, index > kEntriesMax ? index - kEntriesMax : 0);
}

std::optional<PlaceSums> EntrySums::between(uint64_t before, uint64_t index) const {
  const Sum *begin = find(before), *end = find(index);
  if (!begin || !end || before > index) return std::nullopt;
  return without(end->sums, begin->sums);
}

}  // namespace casbook::replicate
