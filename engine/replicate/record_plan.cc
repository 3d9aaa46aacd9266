#include "replicate/record_plan.h"

#include <limits>

#include "log/record.h"

namespace casbook::replicate {

using commit::Mode;
using log::Change;

namespace {

constexpr int64_t kNoMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kNoMax = std::numeric_limits<int64_t>::max();
constexpr uint32_t kChangeWords = sizeof(Change) / sizeof(uint64_t);

uint32_t changes_of(const uint64_t* words) { return words[1] >> 40 & 0xff; }
uint32_t notes_of(const uint64_t* words) { return words[1] >> 48 & 0xff; }

Change change_at(const uint64_t* words, uint32_t index) {
  const uint64_t* const change = words + log::kRecordHeadWords + kChangeWords * index;
  return {change[0], change[1], change[2], change[3]};
}

std::string at(const Change& change) {
  return "cell " + std::to_string(change.unit()) +
         (change.word() == commit::kNoWord ? "" : " word " + std::to_string(change.word())) + ": ";
}
std::string differs(const Change& change, const char* what, uint64_t found, uint64_t expected) {
  return at(change) + what + " " + std::to_string(found) + ", the record says " +
         std::to_string(expected);
}

// Of a form that a write set takes: sorted, a word once, a cell strict or not and at one version.
const char* fault_of(const commit::Store& store, const Change* before, const Change& change) {
  if (change.mode() > Mode::deny) return "a mode that there is not";
  const bool is_whole = change.mode() == Mode::guard;
  if (!store.is_cell(change.unit(), change.word()) ||
      is_whole != (change.word() == commit::kNoWord))
    return "no such cell or word";
  if (!before || before->unit() < change.unit()) return nullptr;
  if (before->unit() > change.unit() || before->where > change.where) return "out of order";
  if (before->word() == change.word() && !is_whole) return "named twice";
  if (commit::is_strict(before->mode()) != commit::is_strict(change.mode()))
    return "strict and not strict";
  if (commit::is_strict(change.mode()) && before->prior != change.prior) return "at two versions";
  return nullptr;
}

// What a free cell holds against what the record found there. A locked one is judged by the commit.
std::string compare(const commit::Store& store, const Change& change) {
  commit::Cell& cell = store.cell(change.unit());
  const uint64_t state = cell.state.load_acquire();  // [release]
  if (commit::is_reference(state)) return {};
  if (commit::is_strict(change.mode()) && state != change.prior)
    return differs(change, "version", state, change.prior);
  if (change.mode() == Mode::guard) return {};
  commit::Word& word = cell.word(change.word());
  if (change.mode() == Mode::check) {
    const uint64_t version = word.hi.load_relaxed();
    return version == change.prior ? std::string()
                                   : differs(change, "word version", version, change.prior);
  }
  const uint64_t value = word.lo.load_relaxed();
  return value == change.old_value ? std::string()
                                   : differs(change, "value", value, change.old_value);
}

void put_denial(const Change& change, commit::WriteSet& set) {
  const auto delta = static_cast<int64_t>(change.prior);
  const auto bound = static_cast<int64_t>(change.new_value);
  int64_t sum;
  const bool overflow = __builtin_add_overflow(static_cast<int64_t>(change.old_value), delta, &sum);
  const bool is_below = overflow ? delta < 0 : sum < bound;
  set.deny(change.unit(), change.word(), delta, is_below ? bound : kNoMin,
           is_below ? kNoMax : bound);
}

void put(const Change& change, commit::WriteSet& set) {
  switch (change.mode()) {
    case Mode::set:
      return set.set(change.unit(), change.word(), change.prior, change.new_value,
                     change.old_value);
    case Mode::guard:
      return set.guard(change.unit(), change.prior);
    case Mode::add: {
      const auto after = static_cast<int64_t>(change.new_value);
      return set.add(change.unit(), change.word(),
                     static_cast<int64_t>(change.new_value - change.old_value), after, after);
    }
    case Mode::check:
      return set.check(change.unit(), change.word(), change.prior);
    case Mode::deny:
      return put_denial(change, set);
  }
}

}  // namespace

std::string plan_record(const commit::Store& store, std::span<const uint64_t> words,
                        commit::WriteSet& set) {
  set.clear();
  const uint32_t count = changes_of(words.data());
  Change before;
  for (uint32_t i = 0; i < count; ++i) {
    const Change change = change_at(words.data(), i);
    if (const char* fault = fault_of(store, i ? &before : nullptr, change))
      return at(change) + fault;
    if (std::string different = compare(store, change); !different.empty()) return different;
    put(change, set);
    before = change;
  }
  set.describe(static_cast<commit::Kind>(words[1] >> 32 & 0xff), static_cast<int64_t>(words[3]));
  set.note(words.last(notes_of(words.data())));
  return {};
}

void prefetch_record(const commit::Store& store, std::span<const uint64_t> words) {
  if (words.size() < log::kRecordHeadWords || log::encoded_words(words[1]) > words.size()) return;
  constexpr uint32_t kWordsInFirstLine = 3;
  commit::Unit last = UINT64_MAX;
  for (uint32_t i = 0; i < changes_of(words.data()); ++i) {
    const Change change = change_at(words.data(), i);
    if (change.unit() >= store.units()) return;
    if (change.unit() != last) base::prefetch_for_write(&store.cell(change.unit()));
    if (change.word() >= kWordsInFirstLine && change.word() != commit::kNoWord)
      base::prefetch_for_write(&store.cell(change.unit()).word(change.word()));
    last = change.unit();
  }
}

}  // namespace casbook::replicate
